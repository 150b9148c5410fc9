"""The tree that the edge hypernet predicts for one preference."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dymu.artifacts.step import Step
from dymu.errors import CorruptArtifactError, SpecError
from dymu.networks.tree import most_likely_parents
from dymu.stages.context import RunContext
from dymu.stages.edge import load_edge
from dymu.stages.tree import TREE, TreeConfig, load_tree, tree_step

MakeContext = Callable[..., RunContext]
Runner = Callable[..., Path]


@pytest.mark.parametrize("preference", [None, (0.0, 0.2, 0.8)])
@pytest.mark.parametrize("c", [0.0, 1.0])
def test_it_is_the_likeliest_of_the_hypernet(
    preference: tuple[float, ...] | None,
    c: float,
    steps: Mapping[str, Step],
    context_of: MakeContext,
    published: Runner,
    tmp_path: Path,
) -> None:
    step = tree_step(TreeConfig(resource_preference=c, task_preference=preference), edge=steps["edge"])
    hypernet = load_edge(steps["edge"], context_of(step, tmp_path))
    row = torch.tensor([preference or (1 / 3, 1 / 3, 1 / 3)])
    logits = hypernet(row, torch.tensor([c]))
    found = load_file(published(step) / TREE)
    torch.testing.assert_close(found["logits_LNN"], logits[0])
    assert torch.equal(found["parents_LN"], most_likely_parents(logits)[0])


def test_it_draws_nothing_and_so_has_no_seed(steps: Mapping[str, Step]) -> None:
    assert steps["tree"].seed is None


def test_a_tree_that_cannot_be_read_is_said_to_be_damaged(
    steps: Mapping[str, Step], context_of: MakeContext, tmp_path: Path
) -> None:
    context = context_of(steps["initial_retrain"], tmp_path)
    (tmp_path / TREE).write_bytes(b"none")
    context.input_dirs = {"tree": tmp_path}
    with pytest.raises(CorruptArtifactError, match="parents_LN"):
        load_tree(context)


@pytest.mark.parametrize(
    "wrong", [{"resource_preference": 1.5}, {"task_preference": (0.5, 0.6)}, {"task_preference": (1.5, -0.5)}]
)
def test_preferences_that_are_none_are_refused(wrong: Mapping[str, object]) -> None:
    with pytest.raises(SpecError, match=rf"TreeConfig\.{next(iter(wrong))}"):
        TreeConfig(**{"resource_preference": 0.0, **wrong})  # type: ignore[arg-type]


def test_a_preference_for_another_number_of_tasks_is_refused(steps: Mapping[str, Step]) -> None:
    with pytest.raises(SpecError, match=r"TreeConfig\.task_preference is \(0.5, 0.5\); .* 3 numbers"):
        tree_step(TreeConfig(resource_preference=0.0, task_preference=(0.5, 0.5)), edge=steps["edge"])
