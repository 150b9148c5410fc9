from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from dymu.data import digits
from dymu.data.digits import Digits, divide_sources, draw_pairs, paste, read_source, scanned
from dymu.data.examples import DataPlace
from dymu.data.splits import Split
from dymu.errors import DataError, SpecError

SMALL = Digits(num_train=70, num_val=20, num_test=30)
# Content of SMALL, which other processes generate as well. If it changes, every result on digits was measured
# on other data: add a field `generation` to Digits, so that all addresses move, and say so in the changelog.
SMALL_DIGEST = "b8a206c196150c87"


def test_source_is_what_scikit_learn_loads() -> None:
    images, labels = read_source()
    bunch = load_digits()
    assert (images * 16 == bunch.images).all()
    assert (labels == bunch.target).all()


def test_sources_of_the_splits_are_disjoint_and_complete() -> None:
    _, labels = read_source()
    parts = divide_sources(labels, np.random.default_rng(0))
    together = np.concatenate(list(parts.values()))
    assert set(parts) == set(Split)
    assert sorted(together.tolist()) == list(range(len(labels)))


def test_each_class_has_its_share_in_each_split() -> None:
    _, labels = read_source()
    parts = divide_sources(labels, np.random.default_rng(1))
    for split, share in digits.SOURCE_SHARE.items():
        got = np.bincount(labels[parts[split]], minlength=10) / np.bincount(labels)
        np.testing.assert_allclose(got, share, atol=0.01)


def test_another_seed_divides_otherwise() -> None:
    _, labels = read_source()
    first, second = (divide_sources(labels, np.random.default_rng(seed)) for seed in (0, 1))
    assert set(first[Split.TEST].tolist()) != set(second[Split.TEST].tolist())


def test_pairs_come_from_the_given_sources_only() -> None:
    sources = np.array([3, 8, 90])
    pairs = draw_pairs(sources, 200, np.random.default_rng(0))
    assert pairs.shape == (200, 2)
    assert set(pairs.ravel().tolist()) == {3, 8, 90}


def test_digits_lie_in_opposite_corners() -> None:
    canvas = paste(np.stack([np.full((1, 8, 8), 0.25), np.full((1, 8, 8), 0.5)], axis=1), 20)[0, 0]
    assert (canvas[:8, :8] == 0.25).all()
    assert (canvas[12:, 12:] == 0.5).all()
    assert canvas.sum() == 64 * 0.75


@pytest.mark.parametrize("canvas", [9, 12, 14])
def test_where_digits_overlap_the_darker_ink_counts(canvas: int) -> None:
    pair = np.random.default_rng(0).random((5, 2, 8, 8))
    overlap = 16 - canvas
    corner = paste(pair, canvas)[:, 0, canvas - 8 : 8, canvas - 8 : 8]
    expected = np.maximum(pair[:, 0, -overlap:, -overlap:], pair[:, 1, :overlap, :overlap])
    np.testing.assert_array_equal(corner, expected)


def test_pasting_leaves_the_digits_as_they_are() -> None:
    pair = np.random.default_rng(0).random((2, 2, 8, 8))
    before = pair.copy()
    paste(pair, 10)
    assert (pair == before).all()


def test_without_noise_ink_is_a_grey_level() -> None:
    levels = scanned(np.array([0.0, 0.5, 1.0]), noise=0.0, rng=np.random.default_rng(0))
    assert levels.tolist() == [48, 128, 208]


def test_noise_has_the_stated_deviation() -> None:
    levels = scanned(np.full(20_000, 0.5), noise=0.1, rng=np.random.default_rng(0))
    assert levels.std() == pytest.approx(16, rel=0.03)


@pytest.mark.parametrize("canvas", [9, 14, 20])
def test_shapes_follow_the_config(place: DataPlace, canvas: int) -> None:
    dataset = Digits(num_train=7, num_val=5, num_test=3, canvas=canvas)
    for split, count in zip(Split, (7, 5, 3), strict=True):
        examples = dataset.load(split, place)
        assert examples.images.shape == (count, *dataset.input_shape) == (count, 1, canvas, canvas)
        assert examples.images.dtype == torch.float32
        assert {name: tuple(target.shape) for name, target in examples.targets.items()} == {
            task.name: (count,) for task in dataset.tasks
        }


def test_parity_is_that_of_the_sum(place: DataPlace) -> None:
    targets = SMALL.load(Split.TRAIN, place).targets
    assert torch.equal(targets["parity"], (targets["left"] + targets["right"]) % 2)


def test_all_classes_of_all_tasks_occur(place: DataPlace) -> None:
    targets = Digits().load(Split.VAL, place).targets
    for task in Digits().tasks:
        assert targets[task.name].unique().tolist() == list(range(task.num_outputs))


def test_training_images_are_standardised(place: DataPlace) -> None:
    images = SMALL.load(Split.TRAIN, place).images
    assert images.mean().abs() < 1e-5
    assert images.std().item() == pytest.approx(1, abs=1e-3)


def test_the_test_split_is_no_permutation_of_training(place: DataPlace) -> None:
    dataset = Digits(num_train=400, num_val=400, num_test=400, noise=0.0)
    rows = [dataset.load(split, place).images.flatten(1) for split in Split]
    known = {row.numpy().tobytes() for row in rows[0]}
    for other in rows[1:]:
        assert not any(row.numpy().tobytes() in known for row in other)


def test_content_is_the_same_in_other_processes(elsewhere: Any, place: DataPlace) -> None:
    here = SMALL.load(Split.TRAIN, place).digest
    assert [digests["Digits"] for digests in elsewhere.digests] == [here, here]


def test_content_is_the_pinned_one(place: DataPlace) -> None:
    assert SMALL.load(Split.TRAIN, place).digest == SMALL_DIGEST


@pytest.mark.parametrize("change", [{"seed": 1}, {"canvas": 15}, {"noise": 0.2}, {"num_val": 21}])
def test_every_choice_changes_the_content(place: DataPlace, change: dict[str, int | float]) -> None:
    other = Digits(**{"num_train": 70, "num_val": 20, "num_test": 30, **change})  # type: ignore[arg-type]
    assert other.load(Split.TRAIN, place).digest != SMALL.load(Split.TRAIN, place).digest


def test_a_loss_weight_does_not_change_the_content(place: DataPlace) -> None:
    other = Digits(num_train=70, num_val=20, num_test=30, parity_weight=1.0)
    assert other.load(Split.TRAIN, place).digest == SMALL.load(Split.TRAIN, place).digest
    assert [task.loss_weight for task in other.tasks] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("num_train", 0), ("num_val", -1), ("num_test", 0), ("canvas", 8), ("canvas", 65), ("seed", -1)),
        *(("noise", -0.1), ("noise", 1.5), ("parity_weight", 0.0)),
    ],
)
def test_a_senseless_field_is_named(field: str, value: float) -> None:
    with pytest.raises(SpecError, match=rf"Digits\.{field} is {value}; expected"):
        Digits(**{field: value})  # type: ignore[arg-type]


def test_missing_scikit_learn_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "find_spec", lambda _: None)
    with pytest.raises(DataError, match="scikit-learn, which is not installed; install it"):
        read_source()


def test_a_scikit_learn_without_the_file_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    elsewhere = ModuleSpec("sklearn", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(digits, "find_spec", lambda _: elsewhere)
    with pytest.raises(DataError, match=r"scikit-learn has no file .*digits\.csv\.gz"):
        read_source()


@pytest.mark.usefixtures("seeded")
def test_a_small_net_learns_every_task(place: DataPlace) -> None:
    dataset = Digits()
    train, val = dataset.load(Split.TRAIN, place), dataset.load(Split.VAL, place)
    net = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 22)),
    )
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(300):
        batch = train.batch(torch.randint(len(train), (64,)))
        outputs = net(batch.images).split([10, 10, 2], dim=1)
        losses = [
            functional.cross_entropy(output, batch.targets[task.name])
            for output, task in zip(outputs, dataset.tasks, strict=True)
        ]
        optimiser.zero_grad()
        torch.stack(losses).sum().backward()
        optimiser.step()
    with torch.no_grad():
        outputs = net(val.images).split([10, 10, 2], dim=1)
    accuracy = {
        task.name: (output.argmax(1) == val.targets[task.name]).double().mean().item()
        for output, task in zip(outputs, dataset.tasks, strict=True)
    }
    assert accuracy["left"] > 0.75, accuracy  # chance 0.1
    assert accuracy["right"] > 0.75, accuracy  # chance 0.1
    assert accuracy["parity"] > 0.65, accuracy  # chance 0.5
