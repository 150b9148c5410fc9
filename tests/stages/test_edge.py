"""Stage 1: what the edge hypernet is trained with, and what its settings refuse."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dymu.artifacts.config import changed, config
from dymu.artifacts.step import Step
from dymu.data.digits import Digits
from dymu.data.examples import DataPlace, Examples, draw_batch
from dymu.data.splits import Split
from dymu.errors import DataError, SpecError
from dymu.networks.edge_hypernet import make_edge_hypernet
from dymu.networks.forward import soft_forward
from dymu.objectives.branching import (
    active_loss,
    active_tasks,
    gumbel_softmax,
    inactive_loss,
    standard_gumbel,
)
from dymu.spec.study import Study, override
from dymu.spec.task import Task
from dymu.stages.affinity import load_affinity
from dymu.stages.anchor import load_anchor
from dymu.stages.context import RunContext
from dymu.stages.edge import WEIGHTS, EdgeConfig, edge_step, load_edge, sample_parents, temperature_of
from dymu.stages.losses import batch_losses
from dymu.stages.path_losses import expected_losses, load_path_losses
from dymu.stages.preferences import draw_preferences
from dymu.stages.randomness import Randomness
from dymu.tracking.spool import METRICS

MakeContext = Callable[..., RunContext]
Runner = Callable[..., Path]
Objective = Literal["minibatch", "tabulated"]


def edge_of(study: Study) -> Step:
    return next(below for below in study.evaluation_step(0).closure() if below.stage == "edge")


def weights_of(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / WEIGHTS)


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@config
class TwoDigits:
    """The digits without their parity: a dataset of two tasks."""

    digits: Digits = Digits(num_train=64, num_val=32, num_test=40)

    @property
    def tasks(self) -> tuple[Task, ...]:
        return self.digits.tasks[:2]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.digits.input_shape

    def load(self, split: Split, place: DataPlace) -> Examples:
        return self.digits.load(split, place)


@pytest.mark.parametrize("objective", ["minibatch", "tabulated"])
def test_the_first_step_minimises_the_papers_objective(
    objective: Objective,
    study: Study,
    steps: Mapping[str, Step],
    context_of: MakeContext,
    published: Runner,
    place: DataPlace,
    tmp_path: Path,
) -> None:
    step = steps["edge" if objective == "minibatch" else "tabulated_edge"]
    settings, tasks = step.config, study.dataset.tasks
    context = context_of(step, tmp_path)
    random = Randomness(0, "edge")
    hypernet = make_edge_hypernet(
        settings.hypernet, random.torch("initialisation"), num_tasks=3, num_layers=3
    )
    preference, c = draw_preferences(
        2, num_tasks=3, concentration=settings.concentration, rng=random.numpy("preferences", 0)
    )
    logits = hypernet(preference, c)
    noise = standard_gumbel(torch.rand(logits.shape, generator=random.torch("gumbel", 0)))
    probs = gumbel_softmax(logits, noise, settings.temperature_start)
    if objective == "minibatch":
        examples: Examples = study.dataset.load(Split.TRAIN, place)
        batch = examples.batch(draw_batch(len(examples), settings.batch_size, random.torch("batch", 0)))
        predictions = soft_forward(load_anchor(steps["anchor"], context), batch.images, probs)
        losses = batch_losses(tasks, predictions, batch.targets)
    else:
        losses = expected_losses(load_path_losses(context), probs)
    active = active_tasks(preference, settings.active_threshold)
    task_loss = (preference * losses).sum(dim=1)
    active_part = active_loss(probs, load_affinity(context), active)
    inactive_part = inactive_loss(probs, active)
    total = task_loss + c * settings.active_weight * active_part + settings.inactive_weight * inactive_part
    expected = {
        "objective": total.mean(),
        "task_loss": task_loss.mean(),
        "active_loss": active_part.mean(),
        "inactive_loss": inactive_part.mean(),
        "temperature": torch.tensor(5.0),
        "learning_rate": torch.tensor(0.01),
        **{f"loss/{task.name}": losses[:, n].mean() for n, task in enumerate(tasks)},
    }
    line = json.loads((published(step) / METRICS).read_text().splitlines()[0])
    assert line["step"] == 0
    numbers = {name: value.item() for name, value in expected.items()}
    assert line["metrics"] == pytest.approx(numbers, rel=1e-5)


def test_the_two_objectives_train_differently(steps: Mapping[str, Step], published: Runner) -> None:
    assert not same(weights_of(published(steps["edge"])), weights_of(published(steps["tabulated_edge"])))


def test_training_reaches_every_part_of_the_hypernet(
    steps: Mapping[str, Step], context_of: MakeContext, tmp_path: Path
) -> None:
    trained = load_edge(steps["edge"], context_of(steps["weight"], tmp_path))
    start = make_edge_hypernet(
        steps["edge"].config.hypernet,
        Randomness(0, "edge").torch("initialisation"),
        num_tasks=3,
        num_layers=3,
    )
    for name, parameter in start.named_parameters():
        assert not torch.equal(parameter, trained.get_parameter(name)), name


def test_a_hypernet_that_was_read_is_frozen(
    steps: Mapping[str, Step], context_of: MakeContext, published: Runner, tmp_path: Path
) -> None:
    hypernet = load_edge(steps["edge"], context_of(steps["weight"], tmp_path))
    assert not any(parameter.requires_grad for parameter in hypernet.parameters())
    assert same(weights_of(published(steps["edge"])), hypernet.state_dict())


CHANGES: list[dict[str, Any]] = [
    {"active_threshold": 0.0},
    {"inactive_weight": 0.0},
    {"active_weight": 0.5},
    {"use_affinity": False},
    {"sample": "probabilities"},
    {"statistics": "running"},
]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Names of the draws that are made from now on."""
    key = Randomness.key
    seen: list[tuple[Any, ...]] = []

    def note(self: Randomness, purpose: str, step: int = 0, index: int = 0) -> int:
        seen.append((self.seed, self.stage, purpose, step, index))
        return key(self, purpose, step, index)

    monkeypatch.setattr(Randomness, "key", note)
    return seen


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_arms_that_differ_see_the_same_batches_preferences_and_noise(
    changes: dict[str, Any],
    study: Study,
    steps: Mapping[str, Step],
    context_of: MakeContext,
    drawn: list[tuple[Any, ...]],
    tmp_path: Path,
) -> None:
    draws, results = [], []
    arm = override(study, "method.edge", changed(study.method.edge, changes))  # type: ignore[attr-defined]
    for number, step in enumerate((steps["edge"], edge_of(arm))):
        context = context_of(step, tmp_path / str(number))
        drawn.clear()
        step.run(step, context)
        draws.append(list(drawn))
        results.append(weights_of(context.out_dir))
    assert steps["edge"].address != edge_of(arm).address
    assert draws[0] == draws[1]
    assert {draw[2] for draw in draws[0]} == {"initialisation", "preferences", "gumbel", "batch"}
    assert not same(*results), "the change matters"


@pytest.mark.parametrize("name", ["edge", "tabulated_edge"])
def test_seeds_draw_differently(name: str, published: Runner, steps: Mapping[str, Step]) -> None:
    other = changed_seed(steps[name])
    assert not same(weights_of(published(steps[name])), weights_of(published(other)))


def changed_seed(step: Step) -> Step:
    """The same step on the same inputs at seed 1."""
    return Step(
        stage=step.stage, revision=step.revision, config=step.config, run=step.run, inputs=step.inputs, seed=1
    )


def test_all_tasks_active_has_no_inactive_loss(study: Study, published: Runner) -> None:
    step = edge_of(override(study, "method.edge.active_threshold", 0.0))
    lines = [json.loads(line) for line in (published(step) / METRICS).read_text().splitlines()]
    assert all(line["metrics"]["inactive_loss"] == 0.0 for line in lines)
    assert all(line["metrics"]["active_loss"] > 0.0 for line in lines)


def test_a_threshold_that_no_task_reaches_has_no_branching_loss(study: Study, published: Runner) -> None:
    step = edge_of(override(study, "method.edge.active_threshold", 0.9999999))
    lines = [json.loads(line) for line in (published(step) / METRICS).read_text().splitlines()]
    assert all(line["metrics"]["active_loss"] == 0.0 for line in lines)
    assert all(math.isfinite(line["metrics"]["objective"]) for line in lines)


def test_without_affinity_pairs_count_fully(
    study: Study, steps: Mapping[str, Step], published: Runner
) -> None:
    plain = edge_of(override(study, "method.edge.use_affinity", False))
    losses = [
        json.loads((published(step) / METRICS).read_text().splitlines()[0])["metrics"]["active_loss"]
        for step in (steps["edge"], plain)
    ]
    assert losses[1] > losses[0] > 0


def test_soft_samples_are_those_of_the_gumbel_softmax() -> None:
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    noise = standard_gumbel(torch.rand(logits.shape, generator=torch.Generator().manual_seed(1)))
    found = sample_parents(EdgeConfig(), logits, 0.7, torch.Generator().manual_seed(1))
    torch.testing.assert_close(found, gumbel_softmax(logits, noise, 0.7))


def test_straight_through_samples_are_one_hot_with_soft_gradients() -> None:
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = torch.rand(logits.shape, generator=torch.Generator().manual_seed(2))
    gradients, samples = [], []
    for sample in ("straight_through", "soft"):
        settings = EdgeConfig(sample=sample)
        drawn = sample_parents(settings, logits, 0.7, torch.Generator().manual_seed(1))
        samples.append(drawn)
        gradients.append(torch.autograd.grad((weights * drawn).sum(), logits)[0])
    hard, soft = samples
    torch.testing.assert_close(hard, torch.nn.functional.one_hot(soft.argmax(dim=-1), 4).float())
    torch.testing.assert_close(*gradients)


def test_probabilities_have_no_noise_and_no_temperature() -> None:
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    found = sample_parents(EdgeConfig(sample="probabilities"), logits, 0.1, torch.Generator())
    torch.testing.assert_close(found, logits.softmax(dim=-1))


def test_the_temperature_is_the_papers() -> None:
    found = [temperature_of(EdgeConfig(), step) for step in (0, 299, 300, 29_999)]
    assert found == pytest.approx([5.0, 5.0, 5 * 0.97, 5 * 0.97**99])


def test_the_temperature_has_a_floor() -> None:
    assert temperature_of(EdgeConfig(temperature_floor=0.5), 10**6) == 0.5


def test_the_defaults_are_the_papers() -> None:
    paper = EdgeConfig()
    assert paper.optimisation.num_steps == 30_000
    assert (paper.active_weight, paper.inactive_weight, paper.active_threshold) == (1.0, 0.1, 0.2)
    assert (paper.concentration, paper.preferences_per_step, paper.objective) == (0.2, 1, "minibatch")


def test_every_task_may_be_active() -> None:
    assert EdgeConfig(active_threshold=0.0).active_threshold == 0.0


@pytest.mark.parametrize("threshold", [1.0, 1.5, -0.1])
def test_a_threshold_that_no_preference_can_mean_is_refused(threshold: float) -> None:
    expected = rf"EdgeConfig\.active_threshold is {threshold}; expected a number in \[0, 1\)"
    with pytest.raises(SpecError, match=expected):
        EdgeConfig(active_threshold=threshold)


@pytest.mark.parametrize(
    "wrong",
    [
        {"preferences_per_step": 0},
        {"batch_size": 1},
        {"concentration": 0.0},
        {"active_weight": -1.0},
        {"inactive_weight": -0.1},
        {"temperature_start": 0.0},
        {"temperature_decay": 1.1},
        {"temperature_every": 0},
        {"temperature_floor": 0.0},
        {"objective": "exact"},
        {"sample": "hard"},
        {"active_threshold": "0.2"},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=rf"EdgeConfig\.{next(iter(wrong))}"):
        EdgeConfig(**wrong)


@pytest.fixture
def two_tasks(study: Study) -> Study:
    """The tiny study on two tasks, and so without affinity."""
    method = override(study.method, "edge.use_affinity", False)
    protocol = changed(study.evaluation, {"reference_point": (4.0, 4.0)})
    return Study(name="two", dataset=TwoDigits(), method=method, evaluation=protocol)


@pytest.mark.parametrize("scale", ["row", "global", "symmetric"])
def test_two_tasks_with_affinity_are_refused_however_it_is_scaled(two_tasks: Study, scale: str) -> None:
    wrong = override(two_tasks, "method.edge.use_affinity", True)
    if scale != "row":
        wrong = override(wrong, "method.affinity.scale", scale)
    with pytest.raises(SpecError) as caught:
        wrong.evaluation_step(0)
    message = str(caught.value)
    assert "with 2 tasks" in message
    assert "affinity between them is always 0" in message
    assert "method.edge.use_affinity=false" in message


def test_two_tasks_without_an_active_loss_may_have_any_affinity(two_tasks: Study) -> None:
    with_affinity = override(two_tasks, "method.edge.use_affinity", True)
    assert override(with_affinity, "method.edge.active_weight", 0.0).evaluation_step(0).stage == "evaluate"


def test_two_tasks_are_trained(two_tasks: Study, published: Runner) -> None:
    assert weights_of(published(edge_of(two_tasks)))["heads.bias"].shape == (3 * 2 * 2,)


def test_a_missing_target_is_named(
    steps: Mapping[str, Step], context_of: MakeContext, lose_target: Callable[..., None], tmp_path: Path
) -> None:
    step = steps["edge"]
    context = context_of(step, tmp_path)
    lose_target("left", Split.TRAIN)
    with pytest.raises(DataError, match="no targets for task 'left'"):
        step.run(step, context)
    assert list(context.out_dir.iterdir()) == []


def test_an_objective_without_its_table_is_refused(steps: Mapping[str, Step]) -> None:
    for name in ("edge", "tabulated_edge"):
        edge = steps[name]
        other = None if "path_losses" in edge.inputs else steps["path_losses"]
        with pytest.raises(SpecError, match="path losses"):
            edge_step(
                edge.config,
                anchor=edge.inputs["anchor"],
                affinity=edge.inputs["affinity"],
                path_losses=other,
                seed=0,
            )
