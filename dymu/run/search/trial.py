"""A trial on its way: what it needs, and the answer once all of it is published."""

import statistics
from dataclasses import dataclass, field

from dymu.artifacts.record import read_record
from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.run.search.desk import Answer, Desk, Proposal


@dataclass(kw_only=True, eq=False)
class OpenTrial:
    """A trial whose steps are on their way.

    Attributes:
        desk: Whose it is.
        proposal: What was proposed.
        released: Seeds whose steps were put into the queue.
        needs: Addresses that are still to be published, of the released seeds.
        computed: Whether anything had to be computed for it.
    """

    desk: Desk
    proposal: Proposal
    released: list[int] = field(default_factory=list)
    needs: set[str] = field(default_factory=set)
    computed: bool = False

    @property
    def name(self) -> str:
        """As an arm is called."""
        return f"trial-{self.proposal.number}"

    def lacks(self, seed: int) -> set[str]:
        """Addresses that are still to be published for one seed."""
        return {step.address for step in self.proposal.finals[seed].closure()} & self.needs


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How much work there was.

    Attributes:
        wanted: Steps that trials needed, each counted for each trial.
        found: Of these, those that were in the store.
        joined: Of these, those that were on their way for another trial.
        computed: Of these, those that had to be computed.
    """

    wanted: int = 0
    found: int = 0
    joined: int = 0
    computed: int = 0


def missing_steps(final: Step, store: Store) -> list[Step]:
    """Steps of a closure that must run, inputs first; what only led to something that exists need not."""
    wanted: dict[str, Step] = {}

    def visit(step: Step) -> None:
        if step.address in wanted or store.has(step.address):
            return
        for below in step.inputs.values():
            visit(below)
        wanted[step.address] = step

    visit(final)
    return list(wanted.values())


def answer_of(trial: OpenTrial, store: Store) -> Answer:
    """Means over the released seeds of a trial.

    Raises:
        ReportError: If a record lacks an objective, for instance a correlation of something constant.
    """
    goals = [objective.value for objective in trial.desk.search.objectives]
    by_seed: dict[int, tuple[float, ...]] = {}
    gathered: dict[str, list[float]] = {}
    for seed in trial.released:
        address = trial.proposal.finals[seed].address
        values = {name: value.value for name, value in read_record(store.path(address)).values.items()}
        absent = [name for name in goals if name not in values]
        if absent:
            raise ReportError(f"{address} has no value {absent[0]!r}; it has {', '.join(sorted(values))}.")
        by_seed[seed] = tuple(values[name] for name in goals)
        for name, value in values.items():
            gathered.setdefault(name, []).append(value)
    means = {name: statistics.fmean(found) for name, found in gathered.items()}
    return Answer(
        objectives=tuple(means[name] for name in goals),
        by_seed=by_seed,
        means=means,
        answered=not trial.computed,
    )
