"""A dataset, a method and stages that take milliseconds, for tests of everything that runs stages.

The module lies in a folder that tests make their working directory, as a user's own modules would.
"""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import torch

from dymu.artifacts.config import config
from dymu.artifacts.record import Point, Record, Value
from dymu.artifacts.step import Step
from dymu.errors import TrainingError
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Study
from dymu.spec.task import Task
from dymu.stages.context import Interrupted, RunContext

TASKS = tuple(Task(name=name, kind="classification", num_outputs=2) for name in ("left", "right", "parity"))


@config
class ToyData:
    """Nothing to load."""

    size: int = 4

    @property
    def tasks(self) -> tuple[Task, ...]:
        return TASKS

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return (1, self.size, self.size)

    def load(self, split: Any, place: Any) -> Any:
        raise NotImplementedError("toys have no examples")


@config
class ToyTraining:
    """Steps of a pretended training; each takes ``seconds``, times the variable ``TOY_PACE``."""

    num_steps: int = 5
    seconds: float = 0.0
    batch_size: int = 8  # for nothing but the largest number of workers
    scale: float = 1.0
    fail_at: int | None = None
    needs_file: str | None = None  # fails while this file does not exist
    kill_itself: bool = False
    tells: str | None = None  # a file that gets a line whenever the training starts


@config
class ToyEvaluation:
    """What is measured."""

    protocol: EvaluationConfig


@config
class ToyMethod:
    """anchor -> affinity -> edge -> weight -> evaluate."""

    anchor: ToyTraining = ToyTraining()
    edge: ToyTraining = ToyTraining()
    weight: ToyTraining = ToyTraining()

    def evaluation(self, study: Study, seed: int) -> Step:
        anchor = Step(stage="anchor", revision=1, config=self.anchor, run=train, seed=seed)
        affinity = Step(
            stage="affinity", revision=1, config=study.dataset, run=relate, inputs={"anchor": anchor}
        )
        edge = Step(
            stage="edge",
            revision=1,
            config=self.edge,
            run=train,
            inputs={"anchor": anchor, "affinity": affinity},
            seed=seed,
        )
        weight = Step(
            stage="weight",
            revision=1,
            config=self.weight,
            run=train,
            inputs={"anchor": anchor, "edge": edge},
            seed=seed,
        )
        inputs = {"anchor": anchor, "edge": edge, "weight": weight}
        final = ToyEvaluation(protocol=study.evaluation)
        return Step(stage="evaluate", revision=1, config=final, run=evaluate, inputs=inputs, seed=seed)


def train(step: Step, context: RunContext) -> None:
    training: ToyTraining = step.config
    if training.kill_itself:
        os.kill(os.getpid(), signal.SIGKILL)
    if training.tells is not None and context.world.leader:
        with Path(training.tells).open("a") as file:
            file.write(f"{step.stage} {context.world.size}\n")
    state = context.restore() or {"step": 0, "sum": torch.zeros(3, dtype=torch.float64)}
    first, total = int(state["step"]), state["sum"]
    context.spool.rewind(first)
    for number in range(first, training.num_steps):
        if context.stop_requested():
            context.save({"step": number, "sum": total})
            context.spool.progress(number, training.num_steps, state="interrupted")
            raise Interrupted(step.address)
        if number == training.fail_at or (training.needs_file and not Path(training.needs_file).exists()):
            context.spool.progress(number, training.num_steps, state="failed")
            raise TrainingError(f"the loss of task left is not finite at step {number}")
        time.sleep(training.seconds * float(os.environ.get("TOY_PACE", "1")))
        total = total + training.scale * torch.rand(
            3, dtype=torch.float64, generator=context.random.torch("draw", number)
        )
        context.spool.log(number, {"loss": float(total.sum())})
        context.spool.progress(number + 1, training.num_steps)
        context.save({"step": number + 1, "sum": total})
    (context.out_dir / "result.json").write_text(json.dumps(total.tolist()))


def relate(_step: Step, context: RunContext) -> None:
    (context.out_dir / "result.json").write_text((context.input_dirs["anchor"] / "result.json").read_text())


def evaluate(step: Step, context: RunContext) -> None:
    weight = json.loads((context.input_dirs["weight"] / "result.json").read_text())
    edge = json.loads((context.input_dirs["edge"] / "result.json").read_text())
    protocol = step.config.protocol
    values, points = {}, []
    for c in protocol.resource_preferences:
        values[f"hypervolume/c={c:g}"] = Value(value=sum(weight), higher_is_better=True, lower=0.0)
        values[f"uniformity/c={c:g}"] = Value(value=-edge[0], higher_is_better=True, upper=0.0)
        values[f"active_parameters/c={c:g}"] = Value(
            value=sum(edge) * 100 * (2 - c), higher_is_better=False, lower=0.0, unit="parameters"
        )
        points.append(
            Point(
                resource_preference=c, preferences=[[1 / 3, 1 / 3, 1 / 3]], losses=[weight], task_metrics={}
            )
        )
    assert step.seed is not None
    Record(
        address=step.address,
        seed=step.seed,
        method="toy",
        tasks=tuple(task.name for task in TASKS),
        values=values,
        points=tuple(points),
        reference_point=protocol.reference_point,
        anchor_parameters=1000.0,
        data_digest="0" * 16,
        config={below.address: dict(below.form) for below in step.closure()},
    ).write(context.out_dir)


PROTOCOL = EvaluationConfig(reference_point=(1.0, 1.0, 1.0), num_preferences=1, num_cost_preferences=1)


def toy_study(name: str, **stages: ToyTraining) -> Study:
    return Study(name=name, dataset=ToyData(), method=ToyMethod(**stages), evaluation=PROTOCOL)
