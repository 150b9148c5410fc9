from typing import Any, Literal

import pytest

from dymu.artifacts.config import check, config
from dymu.artifacts.step import Step
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Study
from dymu.spec.task import Task


def run_nothing(_step: Step, _context: Any) -> None:
    """Does nothing."""


@config
class Pairs:
    num_train: int = 100
    names: tuple[str, ...] = ("left", "right")

    @property
    def tasks(self) -> tuple[Task, ...]:
        return tuple(Task(name=name, kind="classification", num_outputs=10) for name in self.names)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return (1, 8, 8)

    def load(self, split: Any, place: Any) -> Any:
        raise NotImplementedError(f"{split} at {place} is not needed here")


@config
class EdgeConfig:
    active_threshold: float = 0.2
    steps: int = 100
    widths: tuple[int, ...] = (8, 16)
    mode: Literal["minibatch", "tabulated"] = "minibatch"
    limit: float | None = None

    def __post_init__(self) -> None:
        check(0 < self.active_threshold < 1, self, "active_threshold", "a number between 0 and 1")


@config
class Branched:
    edge: EdgeConfig = EdgeConfig()
    anchor_steps: int = 50
    weight: EdgeConfig | None = None

    def evaluation(self, study: Study, seed: int) -> Step:
        anchor = Step(
            stage="anchor", revision=1, config=study.dataset, run=run_nothing, seed=seed + self.anchor_steps
        )
        edge = Step(
            stage="edge", revision=1, config=self.edge, run=run_nothing, seed=seed, inputs={"anchor": anchor}
        )
        return Step(
            stage="evaluate", revision=1, config=study.evaluation, run=run_nothing, inputs={"edge": edge}
        )


@pytest.fixture
def study() -> Study:
    return Study(
        name="pairs-ours",
        dataset=Pairs(),
        method=Branched(),
        evaluation=EvaluationConfig(reference_point=(2.0, 2.0)),
    )


@pytest.fixture
def pairs() -> type[Pairs]:
    return Pairs
