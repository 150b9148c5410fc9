"""Stage 2: the weight hypernet, trained on predicted trees with everything else frozen."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dymu.artifacts.step import Step
from dymu.data.examples import DataPlace, Examples, draw_batch
from dymu.data.splits import Split
from dymu.errors import DataError, SpecError
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.tree import most_likely_parents
from dymu.objectives.branching import gumbel_softmax, standard_gumbel
from dymu.spec.study import Study, override
from dymu.stages.anchor import load_anchor
from dymu.stages.context import RunContext
from dymu.stages.edge import load_edge
from dymu.stages.losses import batch_losses
from dymu.stages.preferences import draw_preferences
from dymu.stages.randomness import Randomness
from dymu.stages.weight import WEIGHTS, WeightConfig, load_weight
from dymu.tracking.spool import METRICS

MakeContext = Callable[..., RunContext]
Runner = Callable[..., Path]


def weight_of(study: Study) -> Step:
    return next(below for below in study.evaluation_step(0).closure() if below.stage == "weight")


@pytest.mark.parametrize("architecture", ["argmax", "sampled"])
@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_the_first_step_is_the_unadapted_anchor_on_predicted_trees(
    architecture: str,
    statistics: Any,
    study: Study,
    context_of: MakeContext,
    published: Runner,
    place: DataPlace,
    tmp_path: Path,
) -> None:
    given = study
    if architecture == "sampled":
        given = override(given, "method.weight.architecture", architecture)
    if statistics == "running":
        given = override(given, "method.weight.statistics", statistics)
    step, tasks, random = weight_of(given), study.dataset.tasks, Randomness(0, "weight")
    context = context_of(step, tmp_path)
    preference, c = draw_preferences(2, num_tasks=3, concentration=0.2, rng=random.numpy("preferences", 0))
    logits = load_edge(step.inputs["edge"], context)(preference, c)
    if architecture == "sampled":
        noise = standard_gumbel(torch.rand(logits.shape, generator=random.torch("trees", 0)))
        logits = gumbel_softmax(logits, noise, 1.0)
    trees = most_likely_parents(logits)
    examples: Examples = study.dataset.load(Split.TRAIN, place)
    batch = examples.batch(draw_batch(len(examples), 4, random.torch("batch", 0)))
    net = load_anchor(step.inputs["anchor"], context)
    losses = batch_losses(
        tasks, tree_forward(net, batch.images, trees, Conditions(statistics)), batch.targets
    )
    expected = {
        "objective": (preference * losses).sum(dim=1).mean(),
        "learning_rate": torch.tensor(0.01),
        **{f"loss/{task.name}": losses[:, n].mean() for n, task in enumerate(tasks)},
    }
    line = json.loads((published(step) / METRICS).read_text().splitlines()[0])
    assert line["metrics"] == pytest.approx(
        {name: value.item() for name, value in expected.items()}, rel=1e-5
    )


@pytest.fixture
def hypernet_output(
    steps: Mapping[str, Step], context_of: MakeContext, tmp_path: Path
) -> Callable[[float], Tensor]:
    """Perturbations that the trained hypernet gives at one task preference."""
    hypernet = load_weight(steps["weight"], context_of(steps["evaluate"], tmp_path))
    assert not any(parameter.requires_grad for parameter in hypernet.parameters())

    def at(c: float) -> Tensor:
        adaptation = hypernet(torch.tensor([[0.2, 0.3, 0.5]]), torch.tensor([c]))
        return torch.cat([adaptation.scale_PD, adaptation.shift_PD], dim=1)

    return at


def test_training_leaves_zero(hypernet_output: Callable[[float], Tensor]) -> None:
    assert hypernet_output(0.0).any()


def test_the_resource_preference_enters(hypernet_output: Callable[[float], Tensor]) -> None:
    assert not torch.equal(hypernet_output(0.0), hypernet_output(1.0))


def test_it_is_the_hypernet_that_was_published(
    steps: Mapping[str, Step], context_of: MakeContext, published: Runner, tmp_path: Path
) -> None:
    saved = load_file(published(steps["weight"]) / WEIGHTS)
    found = load_weight(steps["weight"], context_of(steps["evaluate"], tmp_path)).state_dict()
    assert set(saved) == set(found)
    assert all(torch.equal(saved[name], found[name]) for name in saved)


def test_training_on_other_trees_gives_other_weights(study: Study, published: Runner) -> None:
    sampled = override(study, "method.weight.architecture", "sampled")
    one, other = (load_file(published(weight_of(given)) / WEIGHTS) for given in (study, sampled))
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_inputs_stay_as_they_were(
    steps: Mapping[str, Step], context_of: MakeContext, published: Runner, tmp_path: Path
) -> None:
    def contents() -> list[bytes]:
        folders = [published(steps[name]) for name in ("anchor", "edge")]
        return [path.read_bytes() for folder in folders for path in sorted(folder.iterdir())]

    before = contents()
    step = steps["weight"]
    step.run(step, context_of(step, tmp_path))
    assert contents() == before


def test_a_missing_target_is_named(
    steps: Mapping[str, Step], context_of: MakeContext, lose_target: Callable[..., None], tmp_path: Path
) -> None:
    step = steps["weight"]
    context = context_of(step, tmp_path)
    lose_target("parity", Split.TRAIN)
    with pytest.raises(DataError, match="no targets for task 'parity'"):
        step.run(step, context)


def test_the_defaults_are_the_papers() -> None:
    paper = WeightConfig()
    assert (paper.optimisation.num_steps, paper.concentration, paper.architecture) == (30_000, 0.2, "argmax")


@pytest.mark.parametrize(
    "wrong",
    [
        {"preferences_per_step": 0},
        {"batch_size": 1},
        {"concentration": -0.2},
        {"architecture": "soft"},
        {"statistics": "recalibrated"},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=rf"WeightConfig\.{next(iter(wrong))}"):
        WeightConfig(**wrong)
