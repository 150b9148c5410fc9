from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dymu.data.examples import DataPlace
from dymu.data.multimnist import PIXELS, MultiMNIST, divide, draw_pairs, paste
from dymu.data.official import Official, silent
from dymu.data.splits import Split
from dymu.errors import DataError, SpecError
from tests.data.mnist_tree import digits, idx, write_mnist

TINY = MultiMNIST(num_train=200, num_val=20, num_test=40)
SPLITS = (Split.TRAIN, Split.VAL, Split.TEST)


@pytest.fixture
def rooted(tmp_path: Path) -> DataPlace:
    """A hundred training digits and thirty test digits."""
    write_mnist(tmp_path / "root")
    return DataPlace(cache_dir=tmp_path / "cache", root=tmp_path / "root")


def file_of(place: DataPlace, name: str) -> Path:
    assert place.root is not None
    return place.root / "mnist" / name


def findings(place: DataPlace) -> dict[str, str]:
    assert place.root is not None
    return {finding.path: finding.problem for finding in MultiMNIST().scan(place.root, silent).findings}


def corners(images: torch.Tensor) -> tuple[list[bytes], list[bytes]]:
    """What identifies left and right digit: pixels that the other one leaves black."""
    left = [image[0, 4:12, 4:24].numpy().tobytes() for image in images]
    right = [image[0, 24:32, 12:32].numpy().tobytes() for image in images]
    return left, right


def test_it_is_in_an_official_layout() -> None:
    assert isinstance(MultiMNIST(), Official)


@pytest.mark.parametrize(("split", "count"), [(Split.TRAIN, 200), (Split.VAL, 20), (Split.TEST, 40)])
def test_splits_have_their_counts(rooted: DataPlace, split: Split, count: int) -> None:
    examples = TINY.load(split, rooted)
    assert examples.images.shape == (count, 1, 36, 36)
    assert examples.images.dtype == torch.uint8
    assert {name: len(target) for name, target in examples.targets.items()} == {"left": count, "right": count}


def test_the_brighter_pixel_counts_and_corners_are_black() -> None:
    pair = np.zeros((1, 2, 28, 28), dtype=np.uint8)
    pair[0, 0], pair[0, 1] = 100, 50
    pair[0, 1, 0, 0] = 200
    (canvas,) = paste(pair)[0]
    assert canvas[0, 0] == 100
    assert canvas[35, 35] == 50
    assert canvas[8, 8] == 200
    assert canvas[8, 9] == 100
    assert canvas[0, 35] == canvas[35, 0] == 0
    assert (canvas > 0).sum() == 2 * 28 * 28 - 20 * 20


@pytest.mark.parametrize("split", SPLITS)
def test_targets_are_the_labels_of_the_digits_on_the_canvas(rooted: DataPlace, split: Split) -> None:
    images, labels = digits(*((30, 2) if split is Split.TEST else (100, 1)))
    top = {image[4:12, 4:24].tobytes(): int(label) for image, label in zip(images, labels, strict=True)}
    bottom = {image[16:24, 4:24].tobytes(): int(label) for image, label in zip(images, labels, strict=True)}
    examples = TINY.load(split, rooted)
    left, right = corners(examples.images)
    assert [top[each] for each in left] == examples.targets["left"].tolist()
    assert [bottom[each] for each in right] == examples.targets["right"].tolist()


def test_no_digit_is_in_two_splits(rooted: DataPlace) -> None:
    images, labels = digits(100, 1)
    top = {image[4:12, 4:24].tobytes(): index for index, image in enumerate(images)}
    bottom = {image[16:24, 4:24].tobytes(): index for index, image in enumerate(images)}
    used = []
    for split in (Split.TRAIN, Split.VAL):
        left, right = corners(TINY.load(split, rooted).images)
        used.append({top[each] for each in left} | {bottom[each] for each in right})
    assert not used[0] & used[1]
    assert (len(used[0]), len(used[1])) == (90, 10)
    assert len(labels) == 100


def test_digits_are_used_equally_often_on_each_side() -> None:
    pairs = draw_pairs(np.arange(5, 15), 25, np.random.default_rng(0))
    for side in pairs.T:
        assert set(np.bincount(side)[5:].tolist()) == {2, 3}
    assert (pairs[:, 0] != pairs[:, 1]).any()


def test_a_division_has_every_digit_once() -> None:
    train, val = divide(50, np.random.default_rng(0))
    assert len(val) == 5
    assert sorted([*train, *val]) == list(range(50))


def test_it_is_the_same_every_time(rooted: DataPlace, tmp_path: Path) -> None:
    again = DataPlace(cache_dir=tmp_path / "again", root=rooted.root)
    assert TINY.load(Split.VAL, rooted).digest == TINY.load(Split.VAL, again).digest


def test_another_seed_makes_other_pairs(rooted: DataPlace) -> None:
    other = MultiMNIST(num_train=200, num_val=20, num_test=40, seed=1)
    assert TINY.load(Split.TEST, rooted).digest != other.load(Split.TEST, rooted).digest


def test_a_batch_is_standardised_and_never_augmented(rooted: DataPlace) -> None:
    examples = TINY.load(Split.TRAIN, rooted)
    batch = examples.batch(torch.tensor([4]))
    assert examples.num_draws == 0
    assert torch.allclose(batch.images, (examples.images[4:5].float() - PIXELS.mean[0]) / PIXELS.deviation[0])


def test_a_scan_compares_with_the_official_counts(rooted: DataPlace) -> None:
    assert rooted.root is not None
    assert MultiMNIST().scan(rooted.root, silent).counts == {"train": 100, "t10k": 30}
    assert findings(rooted) == {
        "mnist/train-images-idx3-ubyte": "has 100 digits, not 60000",
        "mnist/t10k-images-idx3-ubyte": "has 30 digits, not 10000",
    }


def test_a_scan_finds_missing_and_empty_files(rooted: DataPlace) -> None:
    file_of(rooted, "train-labels-idx1-ubyte").unlink()
    file_of(rooted, "t10k-images-idx3-ubyte").write_bytes(b"")
    assert findings(rooted) == {
        "mnist/train-labels-idx1-ubyte": "is missing",
        "mnist/t10k-images-idx3-ubyte": "is empty",
    }


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (
            "images-idx3",
            idx(np.zeros((5, 28, 27), np.uint8)),
            r"holds uint8 \(5, 28, 27\), not uint8 \(n, 28, 28\)",
        ),
        ("images-idx3", idx(np.zeros((0, 28, 28), np.uint8)), r"holds uint8 \(0, 28, 28\)"),
        ("labels-idx1", idx(np.zeros(99, np.uint8)), r"holds uint8 \(99,\), not uint8 \(100,\), one label"),
        ("labels-idx1", idx(np.full(100, 10, np.uint8)), "has label 10 at 0, expected 0 to 9"),
        ("labels-idx1", idx(np.zeros(100, np.uint8))[:-1], "has 107 bytes, not 108"),
        ("images-idx3", b"\x1f\x8b\x08\x08", "unpack the archive"),
    ],
)
def test_damage_is_found_by_a_scan_and_by_loading(
    rooted: DataPlace, name: str, content: bytes, problem: str
) -> None:
    path = file_of(rooted, f"train-{name}-ubyte")
    path.write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        TINY.load(Split.TRAIN, rooted)
    assert str(path) in str(caught.value)
    (found,) = [text for file, text in findings(rooted).items() if file == f"mnist/train-{name}-ubyte"]
    assert found in str(caught.value)


def test_missing_files_are_one_error_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        TINY.load(Split.TRAIN, DataPlace(cache_dir=tmp_path / "cache", root=tmp_path))
    assert str(caught.value).count("is missing") == 4
    assert "the four unpacked files of MNIST" in str(caught.value)


def test_too_few_digits_to_divide_are_refused(tmp_path: Path) -> None:
    write_mnist(tmp_path, num_train=4)
    with pytest.raises(DataError, match="hold too few digits"):
        TINY.load(Split.TRAIN, DataPlace(cache_dir=tmp_path / "cache", root=tmp_path))


@pytest.mark.parametrize(
    ("field", "value"), [("num_train", 0), ("num_val", -1), ("num_test", 0), ("seed", -1)]
)
def test_fields_without_sense_are_refused(field: str, value: Any) -> None:
    with pytest.raises(SpecError, match=rf"MultiMNIST\.{field} is {value}"):
        MultiMNIST(**{field: value})


@pytest.fixture(scope="module")
def real(official_root: Path, tmp_path_factory: pytest.TempPathFactory) -> DataPlace:
    if not (official_root / "mnist").is_dir():
        pytest.skip("the data root has no MNIST")
    return DataPlace(cache_dir=tmp_path_factory.mktemp("real"), root=official_root)


@pytest.mark.data
def test_the_official_data_is_whole(real: DataPlace) -> None:
    assert real.root is not None
    scan = MultiMNIST().scan(real.root, silent)
    assert scan.findings == ()
    assert scan.counts == {"train": 60000, "t10k": 10000}


@pytest.mark.data
def test_the_grey_levels_are_those_of_the_default_training_split(real: DataPlace) -> None:
    images = MultiMNIST().load(Split.TRAIN, real).images
    histogram = torch.bincount(images.flatten(), minlength=256).double()
    levels = torch.arange(256).double()
    mean = (histogram * levels).sum() / histogram.sum()
    deviation = ((histogram * (levels - mean) ** 2).sum() / histogram.sum()).sqrt()
    assert abs(mean - PIXELS.mean[0]) < 1e-3
    assert abs(deviation - PIXELS.deviation[0]) < 1e-3
