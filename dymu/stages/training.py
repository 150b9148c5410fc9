"""The training loop that all trained stages share: resume, step, check, log, checkpoint.

A checkpoint holds modules, optimiser, the next step and the sums of the metrics not yet logged. With draws
that are functions of the step (:mod:`dymu.stages.randomness`), that is all a resumed run needs to write the
same bytes as an uninterrupted one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from dymu.errors import TrainingError
from dymu.spec.task import Task
from dymu.stages.agreement import Agreement, Outcome
from dymu.stages.context import Interrupted, RunContext

LOG_LINES = 100  # A curve of about a hundred points a stage, whatever its length.


class Optimiser(Protocol):
    """What the loop asks of an optimiser; torch's are such."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Groups whose ``lr`` the loop sets in every step."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""

    def step(self) -> object:
        """Move the parameters."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""


class Schedule(Protocol):
    """How many steps there are, at which learning rates; :class:`~dymu.stages.optimisation.Optimisation`."""

    @property
    def num_steps(self) -> int:
        """Training steps."""

    def rate(self, step: int) -> float:
        """Learning rate of a step."""

    def build(self, parameters: Iterable[nn.Parameter]) -> Optimiser:
        """An optimiser of the parameters."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is trained and how one step computes its objective.

    Attributes:
        modules: Modules whose parameters are trained; saved under these names.
        optimisation: Optimiser and schedule.
        tasks: Names for the losses.
        compute: Step number to outcome.
    """

    modules: Mapping[str, nn.Module]
    optimisation: Schedule
    tasks: tuple[Task, ...]
    compute: Callable[[int], Outcome]


class _StepModule(nn.Module):
    """One training step as a module, for a wrapper that must see its parameters being used.

    It has parameters and no buffers: running statistics are the same on all ranks without being sent.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], compute: Callable[[int], Outcome]) -> None:
        super().__init__()
        self.trained = nn.ParameterList(parameters)
        self.compute = compute

    def forward(self, step: int) -> Outcome:
        return self.compute(step)


def train(training: Training, context: RunContext) -> None:
    """Train to the end, from the last checkpoint if there is one; with several ranks, on all alike.

    Raises:
        TrainingError: If a loss is not finite; says at which step and for which task.
        Interrupted: If the context asks to stop; the checkpoint is written.
        Superseded: If somebody else took the step over.
        StoreError: If the disk refuses.
    """
    parameters = [p for module in training.modules.values() for p in module.parameters() if p.requires_grad]
    model = context.world.wrap(_StepModule(parameters, training.compute))
    optimizer = training.optimisation.build(parameters)
    first, sums = _resume(training, optimizer, context)
    total = training.optimisation.num_steps
    agreement = Agreement(context)
    agreement.settle()
    for step in range(first, total):
        if agreement.stop:
            _save(training, optimizer, context, step, sums)
            context.spool.progress(step, total, state="interrupted")
            raise Interrupted(context.step.address)
        rate = training.optimisation.rate(step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        outcome = model(step)
        told = agreement.on(outcome)
        _check_finite(told, training.tasks, context, step)
        outcome.objective.backward()
        optimizer.step()
        accumulate(sums, told, training.tasks, rate)
        context.count(step + 1)
        if ends_interval(step, total):
            agreement.write(partial(context.log, step, means_of(sums)))
        context.spool.progress(step + 1, total)
        if context.checkpoint_due(step + 1):
            agreement.write(partial(_save, training, optimizer, context, step + 1, sums))
    agreement.settle()


def ends_interval(step: int, total: int) -> bool:
    """Whether a line is logged after a training step."""
    return (step + 1) % max(1, total // LOG_LINES) == 0 or step + 1 == total


def accumulate(sums: dict[str, Any], outcome: Outcome, tasks: tuple[Task, ...], rate: float) -> None:
    """Add what a training step tells to the sums of its interval."""
    values: dict[str, Any] = {"objective": outcome.objective, **outcome.metrics, "learning_rate": rate}
    values |= {f"loss/{task.name}": loss for task, loss in zip(tasks, outcome.task_losses_N, strict=True)}
    for name, value in values.items():
        number = value.detach().to(torch.float64) if isinstance(value, Tensor) else value
        sums[name] = sums[name] + number if name in sums else number
    sums["count"] = sums.get("count", 0) + 1


def means_of(sums: dict[str, Any]) -> dict[str, float]:
    """Empty the sums and give their means."""
    count = sums.pop("count")
    means = {name: float(value) / count for name, value in sums.items()}
    sums.clear()
    return means


def _resume(training: Training, optimizer: Optimiser, context: RunContext) -> tuple[int, dict[str, Any]]:
    state = context.restore()
    if state is None:
        context.begin(0)
        context.spool.rewind(0)
        return 0, {}
    context.begin(int(state["step"]))
    for name, module in training.modules.items():
        module.load_state_dict(state["modules"][name])
    optimizer.load_state_dict(state["optimizer"])
    context.spool.rewind(state["step"])
    return int(state["step"]), dict(state["sums"])


def _save(
    training: Training,
    optimizer: Optimiser,
    context: RunContext,
    step: int,
    sums: Mapping[str, Any],
) -> None:
    modules = {name: module.state_dict() for name, module in training.modules.items()}
    context.save({"step": step, "modules": modules, "optimizer": optimizer.state_dict(), "sums": dict(sums)})


def _check_finite(outcome: Outcome, tasks: tuple[Task, ...], context: RunContext, step: int) -> None:
    if bool(torch.isfinite(outcome.objective)) and bool(torch.isfinite(outcome.task_losses_N).all()):
        return
    bad = [
        f"{task.name} ({loss})"
        for task, loss in zip(tasks, outcome.task_losses_N.tolist(), strict=True)
        if not torch.isfinite(torch.tensor(loss))
    ]
    who = f"the loss of task {', '.join(bad)}" if bad else f"the objective ({outcome.objective.item()})"
    raise TrainingError(
        f"{context.step.address}: {who} is not finite at step {step}; lower the "
        f"learning rate of the {context.step.stage} stage or look at the data of that task."
    )
