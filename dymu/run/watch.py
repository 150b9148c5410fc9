"""What is known about a plan that runs, from the queue and from what the steps tell."""

from dataclasses import dataclass

from dymu.artifacts.location import open_store
from dymu.artifacts.store import Store
from dymu.run.estimate import estimate
from dymu.run.plan import Plan, Use
from dymu.run.queue import ChainQueue
from dymu.run.work import Progress, read_progress

_NOTHING = Progress()


@dataclass(frozen=True, kw_only=True)
class Row:
    """Where one arm at one seed is.

    Attributes:
        use: The arm and seed.
        name: The arm as people call it.
        state: ``done``, ``running``, ``failed`` or ``waiting``.
        stage: The stage that runs, failed, or comes next; empty when all are done.
        address: Its address.
        progress: Its own account.
    """

    use: Use
    name: str
    state: str
    stage: str = ""
    address: str = ""
    progress: Progress = _NOTHING


class Watch:
    """What is known about a running plan; reads only what can have changed.

    Attributes:
        done: Addresses that are published.
        told: Last account of each step that runs.
        wanted: Addresses that this run is to publish.
    """

    def __init__(self, plan: Plan, queue: ChainQueue, store: Store) -> None:
        self.plan = plan
        self.done: set[str] = set(plan.cached)
        self.told: dict[str, Progress] = {}
        self._queue = queue
        self._store = open_store(store.location, read_only=True)
        self._chains = {chain.name: chain for chain in plan.chains}
        self._costs: dict[str, float] = {}
        self._costs_at = -1
        self.wanted = {step.address for step in plan.missing}

    def look(self) -> None:
        """Read the store again."""
        for name in self._queue.finished:
            self.done |= {step.address for step in self._chains[name].steps}
        self.told = {}
        for chain in self._queue.running:
            for step in chain.steps:
                if step.address not in self.done and self._store.has(step.address):
                    self.done.add(step.address)
                if step.address not in self.done:
                    self.told[step.address] = read_progress(self._store, step.address)
                    break

    def rows(self) -> list[Row]:
        """One row per arm and seed, in the order of the plan."""
        failures = self._queue.failures
        rows = []
        for use, final in self.plan.finals.items():
            if final.address in self.done:
                rows.append(Row(use=use, name=self.plan.name_of(use), state="done"))
                continue
            open_steps = [s for s in self.plan.closure(final) if s.address in self.wanted - self.done]
            running = [step for step in open_steps if step.address in self.told]
            step = (running or open_steps or [final])[0]
            state = "running" if running else "waiting"
            if use in failures:
                state = "failed"
                step = next((s for s in open_steps if s.address == failures[use].address), step)
            told = self.told.get(step.address, _NOTHING)
            rows.append(
                Row(
                    use=use,
                    name=self.plan.name_of(use),
                    state=state,
                    stage=step.stage,
                    address=step.address,
                    progress=told,
                )
            )
        return rows

    def seconds_left(self) -> float | None:
        """Rough time to the end, or ``None`` while some stage has never run to its end in this store."""
        if len(self.done) != self._costs_at:
            self._costs_at = len(self.done)
            found = estimate((s for s in self.plan.missing if s.address not in self.done), self._store)
            self._costs = {} if found.unknown else dict(found.by_address)
        if not self._costs:
            return None
        begun = {address: told.seconds_left for address, told in self.told.items()}
        left = sum(
            cost if (known := begun.get(address)) is None else known for address, cost in self._costs.items()
        )
        return left / max(1, len(begun))
