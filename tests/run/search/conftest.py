"""A study whose steps publish in milliseconds, searched with a queue and an executor that trains nothing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.config import changed, config
from dymu.artifacts.record import Record, Value
from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.run.plan import Chain
from dymu.run.search.desk import Desk
from dymu.run.search.queue import SearchQueue
from dymu.run.work import Failure
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.search import Objective, Search
from dymu.spec.space import Float
from dymu.spec.study import Study
from dymu.spec.task import Task

HV = Objective(value="hypervolume/c=0", direction="maximize")
SIZE = Objective(value="active_parameters/c=0", direction="minimize")


def run_nothing(_step: Step, _context: Any) -> None:
    """Never called: the executor publishes."""


@config
class Nothing:
    """A dataset without data."""

    tasks: tuple[Task, ...] = (
        Task(name="left", kind="classification", num_outputs=2),
        Task(name="right", kind="classification", num_outputs=2),
    )
    input_shape: tuple[int, int, int] = (1, 4, 4)

    def load(self, split: Any, place: Any) -> Any:
        raise NotImplementedError("nothing to load")


@config
class Edge:
    x: float = 0.5
    y: float = 0.5
    mode: str = "plain"
    bend: float = 0.0
    fails: bool = False


@config
class Weight:
    z: int = 1


@config
class Curve:
    """anchor -> edge -> weight -> validate; the measurement is a formula of x, y, z and the seed."""

    depth: int = 1
    edge: Edge = Edge()
    weight: Weight = Weight()

    def evaluation(self, study: Study, seed: int) -> Step:
        raise AssertionError(f"a search of {study.name} looks at the test split at seed {seed}")

    def validation(self, study: Study, seed: int) -> Step:
        anchor = Step(stage="anchor", revision=self.depth, config=study.dataset, run=run_nothing, seed=seed)
        edge = Step(
            stage="edge",
            revision=1,
            config=self.edge,
            run=run_nothing,
            seed=seed,
            inputs={"anchor": anchor},
        )
        weight = Step(
            stage="weight", revision=1, config=self.weight, run=run_nothing, seed=seed, inputs={"edge": edge}
        )
        return Step(
            stage="validate",
            revision=1,
            config=study.evaluation,
            run=run_nothing,
            seed=seed,
            inputs={"anchor": anchor, "weight": weight},
        )


def measured(step: Step) -> dict[str, float]:
    """Best at x = 0.7, y = 0.2, z = 3, larger for larger x."""
    weight = step.inputs["weight"]
    edge: Edge = weight.inputs["edge"].config
    seed = step.seed or 0
    bend = edge.bend if edge.mode == "bent" else 0.0
    value = 2 - (edge.x - 0.7) ** 2 - (edge.y - 0.2) ** 2 - 0.1 * abs(weight.config.z - 3) + bend
    return {"hypervolume/c=0": value + 0.01 * seed, "active_parameters/c=0": 100 * edge.x + weight.config.z}


class Executor:
    """Runs chains of a queue as a backend does, one after another, without training.

    Attributes:
        computed: Addresses, in order.
        order: Users of each chain that ran, as (arm, stages).
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.computed: list[str] = []
        self.order: list[tuple[str, ...]] = []
        self.fault: Callable[[Step], Failure | None] = _fault_of_config
        self.values: Callable[[Step], dict[str, float]] = measured

    def run(self, queue: SearchQueue, *, chains: int | None = None) -> int:
        """Run chains until the queue is exhausted, or so many of them; how many ran."""
        count = 0
        while not queue.exhausted and count != chains:
            chain = queue.take()
            if chain is None:
                assert queue.exhausted, "a queue with nothing running has nothing ready either"
                break
            queue.finish(chain.name, self.execute(chain))
            count += 1
        return count

    def execute(self, chain: Chain) -> Failure | None:
        """Publish the steps of a chain; the failure of the first that fails."""
        self.order.append(tuple(step.stage for step in chain.steps))
        for step in chain.steps:
            for below in step.inputs.values():
                assert self.store.has(below.address), f"{step.stage} started before its {below.stage}"
            failure = self.fault(step)
            if failure is not None:
                return failure
            assert not self.store.has(step.address), f"{step.address} is computed twice"
            self.publish(step)
        return None

    def publish(self, step: Step) -> None:
        attempt = self.store.new_attempt(step.address)
        if step.stage == "validate":
            self._record(step).write(attempt)
        else:
            (attempt / "result.txt").write_text(step.stage)
        self.store.publish(step.address, attempt, info={})
        self.computed.append(step.address)

    def stages(self) -> dict[str, int]:
        """How often each stage was computed."""
        found: dict[str, int] = {}
        for address in self.computed:
            stage = address.partition("/")[0]
            found[stage] = found.get(stage, 0) + 1
        return found

    def _record(self, step: Step) -> Record:
        values = {name: Value(value=value) for name, value in self.values(step).items()}
        return Record(
            address=step.address,
            seed=step.seed or 0,
            method="curve",
            tasks=("left", "right"),
            values=values,
            points=(),
            reference_point=(1.0, 1.0),
            anchor_parameters=1.0,
            data_digest="0" * 16,
            config={},
        )


def _fault_of_config(step: Step) -> Failure | None:
    if step.stage == "edge" and step.config.fails:
        return failure_of(step, "TrainingError")
    return None


def failure_of(step: Step, kind: str) -> Failure:
    return Failure(address=step.address, kind=kind, message=f"{kind} of {step.stage}", step=None, log="")


@pytest.fixture
def failing() -> Callable[[Step, str], Failure]:
    """A failure of a step by the name of its exception."""
    return failure_of


@pytest.fixture
def curve() -> Study:
    """The study that is searched."""
    return Study(
        name="curve-ours",
        dataset=Nothing(),
        method=Curve(),
        evaluation=EvaluationConfig(reference_point=(1.0, 1.0)),
    )


@pytest.fixture
def make_search(curve: Study) -> Callable[..., Search]:
    """A search of x and y for the hypervolume, with fields of one's own."""

    def make(**fields: Any) -> Search:
        basis = Search(
            name="curve_search-one",
            baseline=curve,
            space=(
                Float(path="method.edge.x", low=0.0, high=1.0),
                Float(path="method.edge.y", low=0.01, high=1.0, log=True),
            ),
            objectives=(HV,),
            trials=6,
        )
        return changed(basis, fields)

    return make


@pytest.fixture
def objectives() -> tuple[Objective, Objective]:
    """Hypervolume up, parameters down."""
    return HV, SIZE


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


@pytest.fixture
def executor(store: Store) -> Executor:
    """Runs chains without training."""
    return Executor(store)


@pytest.fixture
def open_desk(store: Store) -> Iterator[Callable[..., Desk]]:
    """Sits down at the desk of a search; all are left at the end of the test."""
    with ExitStack() as stack:

        def sit(search: Search, **more: Any) -> Desk:
            desk = Desk(search, store, target="curve_search:one", **more)
            stack.callback(desk.close)
            return desk

        yield sit


@pytest.fixture
def searched(store: Store, executor: Executor) -> Callable[..., Desk]:
    """Runs a search to its end, as one command does; the desk, already left."""

    def run(search: Search, **more: Any) -> Desk:
        desk = Desk(search, store, target="curve_search:one", **more)
        try:
            executor.run(SearchQueue([desk], store))
        finally:
            desk.close()
        return desk

    return run
