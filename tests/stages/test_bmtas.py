"""BMTAS: weights and logits in turn, on two parts of the training split."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from dymu.artifacts.config import changed, config
from dymu.artifacts.step import Step
from dymu.data.digits import Digits
from dymu.data.examples import DataPlace, Examples
from dymu.data.part import Part
from dymu.data.splits import Split
from dymu.errors import DataError, SpecError
from dymu.networks.tree import most_likely_parents, refined_tree
from dymu.objectives.partitions import expected_branches
from dymu.spec.task import Task
from dymu.stages.batches import Batches
from dymu.stages.bmtas import BMTASRecipe, bmtas_step
from dymu.stages.context import RunContext
from dymu.stages.optimisation import Optimisation
from dymu.stages.tree import TREE
from dymu.tracking.spool import METRICS

MakeContext = Callable[..., RunContext]
Runner = Callable[..., Path]


@config
class SixTasks:
    """Digits that are asked for twice."""

    digits: Digits

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Each task and another like it."""
        twins = (changed(task, {"name": f"{task.name}-again"}) for task in self.digits.tasks)
        return (*self.digits.tasks, *twins)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """That of the digits."""
        return self.digits.input_shape

    def load(self, split: Split, place: DataPlace) -> Examples:
        """The digits alone."""
        return self.digits.load(split, place)


def lines(folder: Path) -> list[dict[str, float]]:
    found: list[dict[str, Any]] = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    return [line["metrics"] for line in found]


def with_recipe(step: Step, **changes: Any) -> Step:
    """The search with another recipe."""
    settings = step.config
    return bmtas_step(changed(settings, {"recipe": changed(settings.recipe, changes)}), seed=0)


def test_after_the_warm_up_one_step_in_so_many_trains_the_logits() -> None:
    recipe = BMTASRecipe(optimisation=Optimisation(num_steps=20), warm_up=0.2, architecture_every=4)
    assert recipe.warm_up_steps == 4
    assert [step for step in range(20) if recipe.trains_logits(step)] == [7, 11, 15, 19]
    assert recipe.architecture_steps(12) == 2
    temperatures = [recipe.temperature(step) for step in (4, 12, 20)]
    assert temperatures == pytest.approx([5.0, 2.55, 0.1])


def test_logits_move_in_their_steps_only(steps: Mapping[str, Step], published: Runner) -> None:
    """Of six steps two are warm-up, and steps 3 and 5 train the logits; a line tells what a step found."""
    entropy = [line["entropy"] for line in lines(published(steps["bmtas"]))]
    assert entropy[:4] == pytest.approx([math.log(3)] * 4, abs=1e-6)
    assert entropy[4] < entropy[3]
    assert entropy[5] == entropy[4]


def test_weights_rest_while_logits_train(steps: Mapping[str, Step], published: Runner) -> None:
    """However fast the logits move in step 3, what weights have learnt by step 3 is the same."""
    slow, fast = (lines(published(with_recipe(steps["bmtas"], logit_rate=rate))) for rate in (1e-4, 10.0))
    assert slow[:4] == fast[:4]
    assert slow[4]["objective"] != fast[4]["objective"]


def test_both_see_their_own_part_of_the_training_split_batch_by_batch(
    steps: Mapping[str, Step], context_of: MakeContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: dict[frozenset[int], list[int]] = {}
    at = Batches.at

    def note(self: Batches, number: int) -> Examples:
        assert isinstance(self.examples, Part)
        seen.setdefault(frozenset(self.examples.positions.tolist()), []).append(number)
        return at(self, number)

    monkeypatch.setattr(Batches, "at", note)
    step = steps["bmtas"]
    step.run(step, context_of(step, tmp_path))
    of_weights, of_logits = seen
    assert not of_weights & of_logits
    assert of_weights | of_logits == set(range(64))
    assert len(of_logits) == math.ceil(0.2 * 64)
    assert list(seen.values()) == [[0, 1, 2, 3], [0, 1]]


def test_the_expected_cost_is_a_share_of_that_of_separate_streams(
    steps: Mapping[str, Step], published: Runner
) -> None:
    found = lines(published(steps["bmtas"]))[0]
    branches = expected_branches(torch.full((3, 3, 3), 1 / 3))
    assert branches.min() / 3 < found["expected_cost"] < branches.max() / 3
    losses = sum(value for name, value in found.items() if name.startswith("loss/"))
    assert found["objective"] == pytest.approx(losses + found["expected_cost"], rel=1e-6)


def test_a_dear_resource_makes_the_search_frugal(steps: Mapping[str, Step], published: Runner) -> None:
    recipe = changed(steps["bmtas"].config.recipe.optimisation, {"num_steps": 60})
    costs = [
        lines(
            published(
                with_recipe(steps["bmtas"], optimisation=recipe, resource_weight=weight, logit_rate=0.3)
            )
        )[-1]["expected_cost"]
        for weight in (0.0, 1000.0)
    ]
    assert costs[1] < 0.4 < costs[0]


def test_the_tree_is_the_likeliest_refinement(steps: Mapping[str, Step], published: Runner) -> None:
    found = load_file(published(steps["bmtas"]) / TREE)
    choices = most_likely_parents(found["logits_LNN"].unsqueeze(0))[0]
    assert torch.equal(found["parents_LN"], refined_tree(choices))


def test_more_than_five_tasks_are_refused_before_anything_runs(steps: Mapping[str, Step]) -> None:
    settings = steps["bmtas"].config
    with pytest.raises(SpecError, match="search over 6 tasks sums over all partitions"):
        changed(settings, {"dataset": SixTasks(digits=settings.dataset)})


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 1},
        {"resource_weight": -1.0},
        {"temperature_start": 0.0},
        {"temperature_end": 0.0},
        {"warm_up": 1.0},
        {"architecture_every": 1},
        {"held_out": 0.0},
        {"held_out": 1.0},
        {"logit_rate": 0.0},
        {"logit_decay": -1.0},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], steps: Mapping[str, Step]) -> None:
    with pytest.raises(SpecError, match=rf"BMTASRecipe\.{next(iter(wrong))}"):
        changed(steps["bmtas"].config.recipe, wrong)


def test_a_missing_target_is_named(
    steps: Mapping[str, Step],
    context_of: MakeContext,
    lose_target: Callable[..., None],
    tmp_path: Path,
) -> None:
    context = context_of(steps["bmtas"], tmp_path)
    lose_target("parity", Split.TRAIN)
    with pytest.raises(DataError, match="no targets for task 'parity'"):
        steps["bmtas"].run(steps["bmtas"], context)
