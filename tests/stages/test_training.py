"""The training loop: steps, logs, and above all that an interrupted run ends as an uninterrupted one."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dymu.artifacts.step import Step
from dymu.errors import TrainingError
from dymu.networks.initialise import build
from dymu.spec.study import Study, override
from dymu.spec.task import Task
from dymu.stages.agreement import Outcome
from dymu.stages.checkpoint import CHECKPOINT, PREVIOUS, read_attempts
from dymu.stages.context import Interrupted, RunContext, Superseded
from dymu.stages.optimisation import Optimisation
from dymu.stages.randomness import Randomness
from dymu.stages.training import Training, train
from dymu.tracking.spool import METRICS, PROGRESS

MakeContext = Callable[..., RunContext]

NUM_STEPS = 6
TRAINED = [
    "anchor",
    "anchor_stream",
    "shared_start",
    "edge",
    "tabulated_edge",
    "weight",
    "shared",
    "phn_bn",
    "frozen_phn_bn",
    "retrain",
    "initial_retrain",
    "ltb",
    "bmtas",
]
# Stages of a dataset whose tasks have images of their own, augmented, from a shared start; and of streams in
# groups of blocks that start from a file, behind a stem.
OTHERS = [
    *(f"own_images_{name}" for name in ("shared", "anchor", "affinity", "edge", "weight", "evaluate")),
    *(f"pretrained_{name}" for name in ("anchor", "anchor_stream", "shared", "phn_bn")),
    *(f"pretrained_{name}" for name in ("affinity", "edge", "weight", "evaluate")),
]
TASKS = (
    Task(name="left", kind="classification", num_outputs=2),
    Task(name="right", kind="classification", num_outputs=2),
)


class Killed(BaseException):
    """The process ends here."""


def stop_after(count: int) -> Callable[[], bool]:
    """Asks to stop when ``count`` steps were begun."""
    answers = iter([False] * count)
    return lambda: next(answers, True)


def die() -> None:
    """Stands in for a hook that is called in the middle of a stage."""
    raise Killed


def result_of(context: RunContext) -> dict[str, bytes]:
    """All that a finished step publishes."""
    files = {path.name: path.read_bytes() for path in context.out_dir.iterdir()}
    return files | {METRICS: (context.work_dir / METRICS).read_bytes()}


def lines_of(context: RunContext) -> list[dict[str, Any]]:
    text = (context.work_dir / METRICS).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(autouse=True)
def few_log_lines(
    monkeypatch: pytest.MonkeyPatch, steps: Mapping[str, Step], published: Callable[[Step], Path]
) -> None:
    """Logs every three steps, so that checkpoints fall between log lines."""
    for name in (*TRAINED, *OTHERS):
        for below in steps[name].inputs.values():
            published(below)  # for all tests of the session, so with the usual lines
    monkeypatch.setattr("dymu.stages.training.LOG_LINES", 2)


@pytest.fixture
def uninterrupted(context_of: MakeContext, tmp_path: Path) -> Callable[[Step], dict[str, bytes]]:
    """What a step publishes when nothing happens."""

    def run(step: Step) -> dict[str, bytes]:
        context = context_of(step, tmp_path / "uninterrupted")
        step.run(step, context)
        return result_of(context)

    return run


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Ends the next attempt inside the computation of a training step, once."""
    key = Randomness.key

    def kill(at: int) -> None:
        def key_or_death(self: Randomness, purpose: str, step: int = 0, index: int = 0) -> int:
            if step == at:
                monkeypatch.setattr(Randomness, "key", key)
                raise Killed
            return key(self, purpose, step, index)

        monkeypatch.setattr(Randomness, "key", key_or_death)

    yield kill
    assert Randomness.key is key, "nobody was killed"


@pytest.mark.parametrize("name", TRAINED)
def test_a_step_stopped_at_many_steps_publishes_the_same_bytes(
    name: str,
    steps: Mapping[str, Step],
    context_of: MakeContext,
    uninterrupted: Callable[[Step], dict[str, bytes]],
    tmp_path: Path,
) -> None:
    step = steps[name]
    begun = 0
    for attempt, stop in enumerate((0, 1, 3, NUM_STEPS - 1)):
        context = context_of(
            step, tmp_path / "stopped", attempt=f"out-{attempt}", stop_requested=stop_after(stop - begun)
        )
        with pytest.raises(Interrupted, match=step.address):
            step.run(step, context)
        assert list(context.out_dir.iterdir()) == []
        begun = stop
    context = context_of(step, tmp_path / "stopped", attempt="last")
    step.run(step, context)
    assert result_of(context) == uninterrupted(step)


@pytest.mark.parametrize("name", OTHERS)
def test_a_step_interrupted_once_publishes_the_same_bytes(
    name: str,
    steps: Mapping[str, Step],
    context_of: MakeContext,
    uninterrupted: Callable[[Step], dict[str, bytes]],
    tmp_path: Path,
) -> None:
    step, folder = steps[name], tmp_path / "interrupted"
    if step.stage == "affinity":  # measured in one go, so that only a kill can come between
        context = context_of(step, folder, attempt="first", fence=die)
        with pytest.raises(Killed):
            step.run(step, context)
    else:
        begun = 1 if step.stage == "evaluate" else NUM_STEPS // 2
        context = context_of(step, folder, attempt="first", stop_requested=stop_after(begun))
        with pytest.raises(Interrupted, match=step.address):
            step.run(step, context)
    context = context_of(step, folder, attempt="again")
    step.run(step, context)
    assert result_of(context) == uninterrupted(step)


@pytest.mark.parametrize("name", TRAINED)
def test_a_step_killed_after_a_checkpoint_publishes_the_same_bytes(
    name: str,
    steps: Mapping[str, Step],
    context_of: MakeContext,
    uninterrupted: Callable[[Step], dict[str, bytes]],
    kill_at: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    step = steps[name]
    context = context_of(step, tmp_path / "killed", attempt="out-0")
    due = iter([False, True])
    monkeypatch.setattr(context, "checkpoint_due", lambda _step: next(due, False))
    kill_at(4)
    with pytest.raises(Killed):
        step.run(step, context)
    assert [line["step"] for line in lines_of(context)] == [2], (
        "a line was told after the checkpoint at step 2"
    )
    with (context.work_dir / METRICS).open("a", encoding="utf-8") as file:
        file.write('{"step": 5, "metr')
    context = context_of(step, tmp_path / "killed", attempt="out-1")
    step.run(step, context)
    assert result_of(context) == uninterrupted(step)


@pytest.mark.parametrize("name", TRAINED)
def test_a_step_killed_before_its_first_checkpoint_publishes_the_same_bytes(
    name: str,
    steps: Mapping[str, Step],
    context_of: MakeContext,
    uninterrupted: Callable[[Step], dict[str, bytes]],
    kill_at: Callable[[int], None],
    tmp_path: Path,
) -> None:
    step = steps[name]
    context = context_of(step, tmp_path / "killed", attempt="out-0")
    kill_at(4)
    with pytest.raises(Killed):
        step.run(step, context)
    assert not (context.work_dir / CHECKPOINT).exists()
    assert lines_of(context)
    context = context_of(step, tmp_path / "killed", attempt="out-1")
    step.run(step, context)
    assert result_of(context) == uninterrupted(step)


@pytest.mark.parametrize("name", TRAINED)
def test_checkpoints_after_every_step_change_nothing(
    name: str,
    steps: Mapping[str, Step],
    context_of: MakeContext,
    uninterrupted: Callable[[Step], dict[str, bytes]],
    tmp_path: Path,
) -> None:
    step = steps[name]
    context = context_of(step, tmp_path / "careful", checkpoint_seconds=0.0)
    step.run(step, context)
    assert result_of(context) == uninterrupted(step)
    state = context.restore()
    assert state is not None
    assert state["step"] == NUM_STEPS


@pytest.mark.parametrize("name", TRAINED)
def test_a_step_killed_between_training_and_publication_publishes_the_same_bytes(
    name: str,
    steps: Mapping[str, Step],
    context_of: MakeContext,
    uninterrupted: Callable[[Step], dict[str, bytes]],
    tmp_path: Path,
) -> None:
    step = steps[name]
    first = context_of(step, tmp_path / "late", attempt="killed", checkpoint_seconds=0.0)
    step.run(step, first)
    context = context_of(step, tmp_path / "late", attempt="again")
    step.run(step, context)
    assert result_of(context) == uninterrupted(step)


def test_a_loss_that_is_not_finite_stops_the_step_and_publishes_nothing(
    study: Study, context_of: MakeContext, tmp_path: Path
) -> None:
    heavy = override(study, "dataset.parity_weight", 1e39)  # finite until it meets single precision
    anchor = next(step for step in heavy.evaluation_step(0).closure() if step.stage == "anchor")
    context = context_of(anchor, tmp_path)
    with pytest.raises(TrainingError) as caught:
        anchor.run(anchor, context)
    assert f"{anchor.address}: the loss of task parity (inf) is not finite at step 0" in str(caught.value)
    assert "learning rate of the anchor stage" in str(caught.value)
    assert list(context.out_dir.iterdir()) == []


def test_a_training_that_diverges_stops(study: Study, context_of: MakeContext, tmp_path: Path) -> None:
    wild = Optimisation(num_steps=NUM_STEPS, optimiser="sgd", learning_rate=1e30)
    diverging = override(study, "method.anchor.optimisation", wild)
    anchor = next(step for step in diverging.evaluation_step(0).closure() if step.stage == "anchor")
    with pytest.raises(TrainingError, match=r"the loss of task left .* is not finite at step [1-5];"):
        anchor.run(anchor, context_of(anchor, tmp_path))


@pytest.mark.parametrize("name", ["anchor", "edge"])
@pytest.mark.parametrize("spoilt", [(CHECKPOINT,), (CHECKPOINT, PREVIOUS)], ids=["last", "both"])
def test_a_spoilt_checkpoint_costs_steps_and_changes_no_byte(
    name: str,
    spoilt: tuple[str, ...],
    steps: Mapping[str, Step],
    context_of: MakeContext,
    uninterrupted: Callable[[Step], dict[str, bytes]],
    kill_at: Callable[[int], None],
    tmp_path: Path,
) -> None:
    step = steps[name]
    context = context_of(step, tmp_path / "spoilt", attempt="out-0", checkpoint_steps=2)
    kill_at(5)
    with pytest.raises(Killed):
        step.run(step, context)
    for file in spoilt:
        path = context.work_dir / file
        path.write_bytes(path.read_bytes()[:-1])
    context = context_of(step, tmp_path / "spoilt", attempt="out-1")
    step.run(step, context)
    assert result_of(context) == uninterrupted(step)
    resumed_at = 2 if len(spoilt) == 1 else 0
    last = read_attempts(context.work_dir)[-1]
    assert (last["resumed_at"], last["reached"], last["redone"]) == (resumed_at, 5, 5 - resumed_at)
    assert [line.partition(":")[0] for line in last["unreadable"]] == list(spoilt)


# --- the loop by itself, on a module of four numbers ----------------------------------------------------


@pytest.fixture
def context(steps: Mapping[str, Step], context_of: MakeContext, tmp_path: Path) -> RunContext:
    """The surroundings of a step; the anchor's, though something else is trained in them."""
    return context_of(steps["anchor"], tmp_path)


def training_of(
    context: RunContext,
    *,
    optimisation: Optimisation | None = None,
    change: Callable[[int, Outcome], Outcome] = lambda _number, outcome: outcome,
) -> Training:
    """Two tasks that pull a linear map towards random targets."""
    module = build(lambda: nn.Linear(2, 2, bias=False), torch.Generator().manual_seed(0))

    def compute(number: int) -> Outcome:
        inputs, targets = torch.rand(2, 2, generator=context.random.torch("batch", number))
        losses_N: Tensor = (module(inputs) - targets).square()
        outcome = Outcome(objective=losses_N.sum(), task_losses_N=losses_N, metrics={"number": float(number)})
        return change(number, outcome)

    return Training(
        modules={"net": module},
        optimisation=optimisation or Optimisation(num_steps=NUM_STEPS, learning_rate=0.1),
        tasks=TASKS,
        compute=compute,
    )


def weights(training: Training) -> Tensor:
    return next(training.modules["net"].parameters()).detach().clone()


def test_it_takes_the_steps_of_the_optimiser(context: RunContext) -> None:
    training = training_of(context)
    peer = training_of(context)
    optimizer = torch.optim.Adam(peer.modules["net"].parameters(), lr=0.1)
    for number in range(NUM_STEPS):
        optimizer.zero_grad()
        peer.compute(number).objective.backward()
        optimizer.step()
    train(training, context)
    assert torch.equal(weights(training), weights(peer))


def test_the_learning_rate_of_each_step_is_the_schedules(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dymu.stages.training.LOG_LINES", NUM_STEPS)
    schedule = Optimisation(num_steps=NUM_STEPS, learning_rate=0.1, decay_every=2, decay_factor=0.5)
    train(training_of(context, optimisation=schedule), context)
    found = [line["metrics"]["learning_rate"] for line in lines_of(context)]
    assert found == [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]


def test_log_lines_hold_means_since_the_line_before(context: RunContext) -> None:
    losses = []

    def note(_number: int, outcome: Outcome) -> Outcome:
        losses.append([*outcome.task_losses_N.tolist(), outcome.objective.item()])
        return outcome

    train(training_of(context, change=note), context)
    lines = lines_of(context)
    assert [line["step"] for line in lines] == [2, 5]
    for line, part in zip(lines, (losses[:3], losses[3:]), strict=True):
        left, right, objective = (sum(column) / 3 for column in zip(*part, strict=True))
        assert line["metrics"]["loss/left"] == pytest.approx(left)
        assert line["metrics"]["loss/right"] == pytest.approx(right)
        assert line["metrics"]["objective"] == pytest.approx(objective)
    assert [line["metrics"]["number"] for line in lines] == [1.0, 4.0]


def test_the_last_steps_are_told_even_if_they_fill_no_interval(context: RunContext) -> None:
    train(training_of(context, optimisation=Optimisation(num_steps=7)), context)
    assert [line["step"] for line in lines_of(context)] == [2, 5, 6]
    assert lines_of(context)[-1]["metrics"]["number"] == 6.0


def test_a_long_training_tells_about_as_many_lines_as_a_short_one(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dymu.stages.training.LOG_LINES", 100)
    train(training_of(context, optimisation=Optimisation(num_steps=350)), context)
    assert 100 <= len(lines_of(context)) <= 150


def test_a_stop_writes_a_checkpoint_and_says_interrupted(context: RunContext) -> None:
    context.stop_requested = stop_after(2)
    with pytest.raises(Interrupted):
        train(training_of(context), context)
    state = context.restore()
    assert state is not None
    assert state["step"] == 2
    progress = json.loads((context.work_dir / PROGRESS).read_text())
    assert (progress["state"], progress["step"], progress["total"]) == ("interrupted", 2, NUM_STEPS)


def test_frozen_parameters_stay_as_they_are(context: RunContext) -> None:
    training = training_of(context)
    module = training.modules["net"]
    module.register_parameter("still", nn.Parameter(torch.ones(1), requires_grad=False))
    before = weights(training)
    train(training, context)
    assert module.get_parameter("still").item() == 1.0
    assert not torch.equal(weights(training), before)


def spoil(task: int | None, value: float) -> Callable[[int, Outcome], Outcome]:
    """At step 3 the loss of a task, or only the objective, becomes a value."""

    def change(number: int, outcome: Outcome) -> Outcome:
        if number != 3:
            return outcome
        losses_N = outcome.task_losses_N.clone()
        if task is None:
            return Outcome(objective=losses_N.sum() * value, task_losses_N=losses_N)
        losses_N[task] = value
        return Outcome(objective=losses_N.sum(), task_losses_N=losses_N)

    return change


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("task", [0, 1])
def test_a_loss_that_is_not_finite_is_named(context: RunContext, task: int, value: float) -> None:
    expected = (
        rf"{context.step.address}: the loss of task {TASKS[task].name} \({value}\) is not finite at step 3;"
    )
    with pytest.raises(TrainingError, match=expected):
        train(training_of(context, change=spoil(task, value)), context)


def test_an_objective_that_is_not_finite_by_itself_is_named(context: RunContext) -> None:
    with pytest.raises(TrainingError, match=r"the objective \(inf\) is not finite at step 3"):
        train(training_of(context, change=spoil(None, math.inf)), context)


def test_a_loss_that_is_not_finite_reaches_neither_weights_nor_metrics(context: RunContext) -> None:
    training = training_of(context, change=spoil(1, math.nan))
    with pytest.raises(TrainingError):
        train(training, context)
    assert weights(training).isfinite().all()
    assert [line["step"] for line in lines_of(context)] == [2]


def test_metrics_hold_no_times_and_progress_counts_to_the_end(context: RunContext) -> None:
    train(training_of(context), context)
    assert set(lines_of(context)[0]["metrics"]) == {
        "objective",
        "number",
        "learning_rate",
        "loss/left",
        "loss/right",
    }
    progress = json.loads((context.work_dir / PROGRESS).read_text())
    assert (progress["state"], progress["step"], progress["total"]) == ("running", NUM_STEPS, NUM_STEPS)


def test_each_attempt_leaves_a_line(context: RunContext) -> None:
    context.checkpoint_steps = 2
    context.stop_requested = stop_after(1)
    with pytest.raises(Interrupted):
        train(training_of(context), context)

    def die(number: int, outcome: Outcome) -> Outcome:
        if number == 4:
            raise Killed
        return outcome

    context.stop_requested = lambda: False
    with pytest.raises(Killed):
        train(training_of(context, change=die), context)
    train(training_of(context), context)
    found = read_attempts(context.work_dir)
    assert [(line["resumed_at"], line["reached"], line["redone"]) for line in found] == [
        (0, 0, 0),
        (1, 1, 0),
        (3, 4, 1),
    ]
    assert {line["workers"] for line in found} == {1}


def test_whoever_lost_the_step_stops_at_the_next_line(context: RunContext) -> None:
    def fence() -> None:
        raise Superseded(context.step.address)

    context.fence = fence
    begun = []

    def note(number: int, outcome: Outcome) -> Outcome:
        begun.append(number)
        return outcome

    with pytest.raises(Superseded):
        train(training_of(context, change=note), context)
    assert begun == [0, 1, 2]
    assert not (context.work_dir / METRICS).exists()
