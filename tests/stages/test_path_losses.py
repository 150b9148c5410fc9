"""The table of path losses, and the exact expectation that is made from it."""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

from dymu.artifacts.step import Step
from dymu.data.examples import DataPlace, Examples, draw_batch
from dymu.data.splits import Split
from dymu.errors import CorruptArtifactError, DataError, SpecError
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.tree import paths
from dymu.spec.study import Study, override
from dymu.stages.anchor import load_anchor
from dymu.stages.context import Interrupted, RunContext
from dymu.stages.losses import batch_losses
from dymu.stages.path_losses import (
    FILE,
    MAX_PATHS,
    PathLossConfig,
    expected_losses,
    load_path_losses,
    path_losses_step,
)
from dymu.stages.tensors import load_tensor

MakeContext = Callable[..., RunContext]
Runner = Callable[..., Path]
SHAPES = [(1, 2), (3, 3), (4, 2), (2, 4)]


def random_table(layers: int, tasks: int) -> Tensor:
    generator = torch.Generator().manual_seed(layers)
    return torch.rand([tasks] * (layers + 1), generator=generator, dtype=torch.float64)


def random_probs(layers: int, tasks: int, *, count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(tasks)
    logits = 2 * torch.randn(count, layers, tasks, tasks, generator=generator, dtype=torch.float64)
    return logits.softmax(dim=-1)


@pytest.mark.parametrize(("layers", "tasks"), SHAPES)
def test_the_expectation_is_the_sum_over_all_paths(layers: int, tasks: int) -> None:
    table, probs = random_table(layers, tasks), random_probs(layers, tasks)
    found = expected_losses(table, probs)
    assert found.shape == (3, tasks)
    for p in range(3):
        for task in range(tasks):
            total = 0.0
            for path in itertools.product(range(tasks), repeat=layers):
                children = (*path[1:], task)
                chance = 1.0
                for layer in range(layers):
                    chance *= probs[p, layer, children[layer], path[layer]].item()
                total += chance * table[(task, *path)].item()
            assert found[p, task].item() == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize(("layers", "tasks"), SHAPES)
def test_a_tree_has_the_loss_of_its_paths(layers: int, tasks: int) -> None:
    table = random_table(layers, tasks)
    trees = torch.randint(tasks, (5, layers, tasks), generator=torch.Generator().manual_seed(0))
    found = expected_losses(table, torch.nn.functional.one_hot(trees, tasks).double())
    for p, of_tasks in enumerate(paths(trees).tolist()):
        expected = [table[(task, *path)].item() for task, path in enumerate(of_tasks)]
        assert found[p].tolist() == expected


def test_equal_losses_are_expected_whatever_the_choices() -> None:
    torch.testing.assert_close(
        expected_losses(torch.full((3, 3, 3, 3), 0.7).double(), random_probs(3, 3)),
        torch.full((3, 3), 0.7).double(),
    )


def test_gradients_agree_with_finite_differences() -> None:
    table, probs = random_table(3, 2), random_probs(3, 2, count=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: expected_losses(table, p), probs)


@pytest.fixture
def table(steps: Mapping[str, Step], published: Runner) -> Tensor:
    return load_tensor(published(steps["path_losses"]) / FILE, "path_losses")


def test_the_table_holds_the_losses_of_trees(
    steps: Mapping[str, Step],
    table: Tensor,
    context_of: MakeContext,
    study: Study,
    place: DataPlace,
    tmp_path: Path,
) -> None:
    assert table.shape == (3, 3, 3, 3)
    context = context_of(steps["path_losses"], tmp_path)
    net = load_anchor(steps["anchor"], context)
    examples: Examples = study.dataset.load(Split.TRAIN, place)
    index = draw_batch(len(examples), 11, context.random.torch("images"))
    trees = torch.randint(3, (6, 3, 3), generator=torch.Generator().manual_seed(0))
    mean_losses = torch.zeros(6, 3)
    for index_B in (index[:5], index[5:10]):  # the eleventh image is alone and has no statistics
        batch = examples.batch(index_B)
        predictions = tree_forward(net, batch.images, trees, Conditions("batch"))
        mean_losses += batch_losses(study.dataset.tasks, predictions, batch.targets) / 2
    for p, of_tasks in enumerate(paths(trees).tolist()):
        found = [table[(task, *path)].item() for task, path in enumerate(of_tasks)]
        assert found == pytest.approx(mean_losses[p].tolist(), rel=1e-5)


def test_how_many_paths_run_at_once_does_not_matter(
    steps: Mapping[str, Step],
    table: Tensor,
    context_of: MakeContext,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("dymu.stages.measure.MOST_PIXELS", 5 * 5 * 14 * 14)
    step = steps["path_losses"]
    context = context_of(step, tmp_path)
    step.run(step, context)
    found = load_tensor(context.out_dir / FILE, "path_losses")
    torch.testing.assert_close(found, table, rtol=1e-5, atol=1e-5)


def test_it_runs_the_same_twice(
    steps: Mapping[str, Step], table: Tensor, context_of: MakeContext, tmp_path: Path
) -> None:
    step = steps["path_losses"]
    context = context_of(step, tmp_path)
    step.run(step, context)
    assert torch.equal(load_tensor(context.out_dir / FILE, "path_losses"), table)


def test_it_stops_when_asked(steps: Mapping[str, Step], context_of: MakeContext, tmp_path: Path) -> None:
    step = steps["path_losses"]
    answers = iter([False, True])
    context = context_of(step, tmp_path, stop_requested=lambda: next(answers))
    with pytest.raises(Interrupted, match=step.address):
        step.run(step, context)
    assert list(context.out_dir.iterdir()) == []


def test_a_missing_target_is_named(
    steps: Mapping[str, Step], context_of: MakeContext, lose_target: Callable[..., None], tmp_path: Path
) -> None:
    step = steps["path_losses"]
    context = context_of(step, tmp_path)
    lose_target("right", Split.TRAIN)
    with pytest.raises(DataError, match="no targets for task 'right'"):
        step.run(step, context)


def test_later_stages_read_it_in_single_precision(
    steps: Mapping[str, Step], context_of: MakeContext, table: Tensor, tmp_path: Path
) -> None:
    assert torch.equal(load_path_losses(context_of(steps["tabulated_edge"], tmp_path)), table.float())


def test_a_spoilt_artifact_is_named(
    steps: Mapping[str, Step], context_of: MakeContext, tmp_path: Path
) -> None:
    context = context_of(steps["tabulated_edge"], tmp_path)
    context.input_dirs = {**context.input_dirs, "path_losses": tmp_path}
    with pytest.raises(CorruptArtifactError, match=rf"{FILE} does not hold the tensor 'path_losses'"):
        load_path_losses(context)


def test_too_many_paths_are_refused_before_anything_runs(study: Study) -> None:
    layers = 11
    assert 3**layers > MAX_PATHS >= 3 ** (layers - 1)
    keep: tuple[Literal["keep"], ...] = tuple("keep" for _ in range(layers))
    deep = SmallBackbone(channels=(2,) * layers, resolutions=keep)
    deep_study = override(study, "method.anchor.backbone", deep)
    anchor = next(below for below in deep_study.evaluation_step(0).closure() if below.stage == "anchor")
    with pytest.raises(SpecError, match=r"needs 3\^11 paths, more than 100000.*to 'minibatch'"):
        path_losses_step(PathLossConfig(), anchor=anchor)


@pytest.mark.parametrize("field", ["num_images", "batch_size"])
def test_settings_that_make_no_sense_are_refused(field: str) -> None:
    with pytest.raises(SpecError, match=rf"PathLossConfig\.{field} is 1; expected at least 2"):
        PathLossConfig(**{field: 1})
