"""What a search will take: which steps its trials share, which each needs anew, and how long that is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.errors import SpecError
from dymu.run.estimate import estimate
from dymu.run.search.steps import final_step
from dymu.spec.search import Search
from dymu.spec.space import corners, proposed


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The work of a search.

    Attributes:
        search: The search.
        asked: Trials that were asked for already.
        shared: Steps that all trials have in common, over all seeds.
        shared_missing: Of these, those that the store lacks.
        each: Steps that a trial may need of its own, over all seeds.
        cpu_s: CPU-seconds of the trials still to be asked for, at most; what is shared counts once.
        unknown: Stages without an estimate.
    """

    search: Search
    asked: int
    shared: tuple[Step, ...]
    shared_missing: tuple[Step, ...]
    each: tuple[Step, ...]
    cpu_s: float
    unknown: tuple[str, ...]

    @property
    def left(self) -> int:
        """Trials still to be asked for."""
        return max(0, self.search.trials - self.asked)

    def form(self) -> dict[str, Any]:
        """As a JSON value."""
        search = self.search
        return {
            "name": search.name,
            "study": search.baseline.name,
            "objectives": [{"value": o.value, "direction": o.direction} for o in search.objectives],
            "space": {entry.path: entry.text for entry in search.space},
            "sampler": {"kind": search.sampler.kind, "seed": search.sampler.seed},
            "pruner": None if search.pruner is None else search.pruner.kind,
            "seeds": list(search.seeds),
            "trials": search.trials,
            "asked": self.asked,
            "left": self.left,
            "shared_steps": len(self.shared),
            "shared_to_run": len(self.shared_missing),
            "steps_each": len(self.each),
            "cpu_s": self.cpu_s,
            "no_estimate_for": list(self.unknown),
        }


def budget_of(search: Search, store: Store | None, *, asked: int, device: str = "cpu") -> Budget:
    """What a search will take.

    Args:
        search: The search.
        store: Where earlier results say how long steps take; ``None`` if there is none.
        asked: Trials that were asked for already.
        device: Torch device, as in :func:`~dymu.run.estimate.estimate`.

    Raises:
        SpecError: If the study cannot be built at an end of an entry's range.
    """
    shared = extent_of(search).shared
    steps: Mapping[str, Step] = {
        step.address: step for seed in search.seeds for step in final_step(search.baseline, seed).closure()
    }
    common = tuple(step for address, step in steps.items() if address in shared)
    own = tuple(step for address, step in steps.items() if address not in shared)
    missing = tuple(step for step in common if store is None or not store.has(step.address))
    left = max(0, search.trials - asked)
    once, again = estimate(missing, store, device=device), estimate(own, store, device=device)
    return Budget(
        search=search,
        asked=asked,
        shared=common,
        shared_missing=missing,
        each=own,
        cpu_s=(once.cpu_s + left * again.cpu_s) if left else 0.0,
        unknown=tuple(sorted({*once.unknown, *again.unknown})),
    )


@dataclass(frozen=True, kw_only=True)
class Extent:
    """What the proposals of a search lead to.

    Attributes:
        shared: Addresses that every trial needs, whatever is proposed, over all seeds.
        stages: Names of all stages that may run.
    """

    shared: frozenset[str]
    stages: frozenset[str]


def extent_of(search: Search) -> Extent:
    """Look at the ends of every entry's range.

    Raises:
        SpecError: If the study cannot be built at one of them; names it.
    """
    found: set[str] | None = None
    stages: set[str] = set()
    for params in ({}, *corners(search.space)):
        study = proposed(search.baseline, search.space, params)
        try:
            steps = [step for seed in search.seeds for step in final_step(study, seed).closure()]
        except SpecError as error:
            raise SpecError(f"search {search.name} at {params}: {error}") from None
        stages |= {step.stage for step in steps}
        addresses = {step.address for step in steps}
        found = addresses if found is None else found & addresses
    return Extent(shared=frozenset(found or ()), stages=frozenset(stages))
