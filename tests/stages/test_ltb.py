"""LTB: the search on the task losses, in the tree form of Eq. 1."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from dymu.artifacts.config import changed
from dymu.artifacts.step import Step
from dymu.data.examples import DataPlace, Examples, draw_batch
from dymu.data.splits import Split
from dymu.errors import DataError, SpecError
from dymu.networks.anchor_net import single_task_nets
from dymu.networks.forward import soft_forward
from dymu.networks.tree import most_likely_parents
from dymu.stages.context import RunContext
from dymu.stages.losses import batch_losses
from dymu.stages.ltb import LTBRecipe, ltb_step
from dymu.stages.optimisation import Optimisation
from dymu.stages.randomness import Randomness
from dymu.stages.tree import TREE
from dymu.tracking.spool import METRICS

MakeContext = Callable[..., RunContext]
Runner = Callable[..., Path]


def lines(folder: Path) -> list[dict[str, float]]:
    found: list[dict[str, Any]] = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    return [line["metrics"] for line in found]


def with_recipe(step: Step, **changes: Any) -> Step:
    """The search with another recipe."""
    settings = step.config
    return ltb_step(changed(settings, {"recipe": changed(settings.recipe, changes)}), seed=0)


def test_it_begins_with_the_anchors_start_and_every_parent_alike(
    steps: Mapping[str, Step], published: Runner, place: DataPlace
) -> None:
    step = steps["ltb"]
    dataset, recipe = step.config.dataset, step.config.recipe
    generator = Randomness(0, "anchor").torch("initialisation")
    net = single_task_nets(step.config.anchor.backbone, dataset.tasks, dataset.input_shape, generator)
    examples: Examples = dataset.load(Split.TRAIN, place)
    index = draw_batch(len(examples), recipe.batch_size, Randomness(0, "ltb").torch("batch", 0))
    batch = examples.batch(index)
    predictions = soft_forward(net, batch.images, torch.full((1, 3, 3, 3), 1 / 3))
    losses = batch_losses(dataset.tasks, predictions, batch.targets)[0].tolist()
    found = lines(published(step))[0]
    assert [found[f"loss/{task.name}"] for task in dataset.tasks] == pytest.approx(losses, rel=1e-5)
    assert found["objective"] == pytest.approx(sum(losses), rel=1e-5)


def test_logits_rest_in_the_warm_up_and_move_after_it(steps: Mapping[str, Step], published: Runner) -> None:
    entropy = [line["entropy"] for line in lines(published(steps["ltb"]))]
    assert entropy[:3] == pytest.approx([math.log(3)] * 3, abs=1e-6)
    assert entropy[3] < entropy[2]
    assert entropy[5] < entropy[4]


@pytest.mark.parametrize("sample", ["soft", "straight_through"])
def test_the_tree_is_the_likeliest_of_the_logits(
    sample: str, steps: Mapping[str, Step], published: Runner
) -> None:
    step = steps["ltb"] if sample == "soft" else with_recipe(steps["ltb"], sample=sample)
    found = load_file(published(step) / TREE)
    assert found["logits_LNN"].shape == (3, 3, 3)
    assert found["logits_LNN"].abs().amax(dim=(1, 2)).gt(0).all()
    assert torch.equal(found["parents_LN"], most_likely_parents(found["logits_LNN"].unsqueeze(0))[0])


def test_the_rate_of_the_logits_is_their_own(steps: Mapping[str, Step], published: Runner) -> None:
    slow, fast = (
        load_file(published(with_recipe(steps["ltb"], logit_rate=rate)) / TREE)["logits_LNN"].abs().max()
        for rate in (1e-4, 0.1)
    )
    assert slow < 1e-3 < 0.1 < fast


def test_the_temperature_falls_with_the_root_of_time_to_its_floor() -> None:
    recipe = LTBRecipe(
        optimisation=Optimisation(num_steps=1000), warm_up=0.1, temperature_unit=0.1, temperature_floor=2.0
    )
    assert recipe.warm_up_steps == 100
    assert recipe.temperature(100) == 5.0
    assert recipe.temperature(400) == pytest.approx(5 / math.sqrt(4))
    assert recipe.temperature(999) == 2.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 1},
        {"temperature_start": 0.0},
        {"temperature_unit": 0.0},
        {"temperature_floor": 0.0},
        {"warm_up": 1.0},
        {"logit_rate": 0.0},
        {"logit_decay": -1.0},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], steps: Mapping[str, Step]) -> None:
    with pytest.raises(SpecError, match=rf"LTBRecipe\.{next(iter(wrong))}"):
        changed(steps["ltb"].config.recipe, wrong)


def test_a_missing_target_is_named(
    steps: Mapping[str, Step],
    context_of: MakeContext,
    lose_target: Callable[..., None],
    tmp_path: Path,
) -> None:
    context = context_of(steps["ltb"], tmp_path)
    lose_target("parity", Split.TRAIN)
    with pytest.raises(DataError, match="no targets for task 'parity'"):
        steps["ltb"].run(steps["ltb"], context)
