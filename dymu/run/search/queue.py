"""The trials of searches as a queue of chains: what a backend runs, and what becomes of it.

What trials have in common is computed once: in the store it is found by its address, and while it is on
its way by the chain that holds it. An entry that takes effect late in a study leaves all before it shared.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence

from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.run.plan import Chain, Use, chains_of
from dymu.run.search.budget import extent_of
from dymu.run.search.desk import Desk
from dymu.run.search.trial import Counts, OpenTrial, answer_of, missing_steps
from dymu.run.work import Failure

# Failures of the machine rather than of the trial: the trial is handed out again by the next command.
NOT_THE_TRIALS = frozenset({"StoreError", "CorruptArtifactError", "BackendError", "OSError", "MemoryError"})
_ENOUGH_IS_ENOUGH = 5  # trials of one search in a row without any that worked
_SHARED = "shared"


class SearchQueue:
    """Hands out the chains of trials; asks for another trial when no chain of an open one is ready.

    At most one open trial waits for steps of another, so that proposals are made with as many answers as
    possible. With one chain at a time the trials of a search are one after another.

    Args:
        desks: Where trials come from; several take turns.
        store: Where artifacts are.
    """

    def __init__(self, desks: Sequence[Desk], store: Store) -> None:
        self._lock = threading.RLock()
        self._desks = list(desks)
        self._store = store
        self._shared = {desk.key: extent_of(desk.search).shared for desk in desks}
        self._waiting: dict[str, Chain] = {}
        self._running: dict[str, Chain] = {}
        self._finished: set[str] = set()
        self._holder: dict[str, str] = {}  # address of a step that is on its way to the name of its chain
        self._trials: list[OpenTrial] = []
        self._failures: dict[Use, Failure] = {}
        self._fruitless = {desk.key: 0 for desk in desks}
        self._spent: set[str] = set()  # keys of desks that have no more trials
        self._stopped = False
        self.counts = Counts()

    # --- what a backend asks -----------------------------------------------------------------------------

    def take(self) -> Chain | None:
        """The next chain to start, or ``None`` if none is ready now."""
        with self._lock:
            while not self._stopped:
                chain = self._ready()
                if chain is not None:
                    self._running[chain.name] = self._waiting.pop(chain.name)
                    return chain
                if not self._may_ask() or not self._ask():
                    return None
            return None

    def finish(self, name: str, failure: Failure | None = None) -> None:
        """Say how a chain that was taken ended."""
        with self._lock:
            chain = self._running.pop(name)
            self._let_go(chain)
            if failure is None:
                self._finished.add(name)
                for trial in self._trials:
                    trial.needs -= {step.address for step in chain.steps}
            else:
                self._fail(chain, failure)
            self._settle()

    def interrupt(self, name: str) -> None:
        """Say that a chain was interrupted; its trials are handed out again by the next command."""
        with self._lock:
            chain = self._running.pop(name, None)
            if chain is not None:
                self._let_go(chain)

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._lock:
            self._stopped = True

    @property
    def exhausted(self) -> bool:
        """Whether nothing runs and nothing will."""
        with self._lock:
            if self._running:
                return False
            return self._stopped or (not self._waiting and len(self._spent) == len(self._desks))

    @property
    def running(self) -> tuple[Chain, ...]:
        """Chains that have been taken and have not ended."""
        with self._lock:
            return tuple(self._running.values())

    @property
    def finished(self) -> frozenset[str]:
        """Names of the chains whose steps are all published."""
        with self._lock:
            return frozenset(self._finished)

    @property
    def failures(self) -> Mapping[Use, Failure]:
        """Per trial and seed the first failure that it met; ``target`` is the search, ``arm`` the trial."""
        with self._lock:
            return dict(self._failures)

    @property
    def open(self) -> tuple[OpenTrial, ...]:
        """Trials that are on their way, by search and number."""
        with self._lock:
            return tuple(self._trials)

    # --- asking ------------------------------------------------------------------------------------------

    def _may_ask(self) -> bool:
        return not any(self._is_blocked(trial) for trial in self._trials)

    def _is_blocked(self, trial: OpenTrial) -> bool:
        users = {Use(trial.desk.search.name, trial.name, seed) for seed in trial.released}
        return not any(chain.users & users for chain in self._running.values())

    def _ask(self) -> bool:
        """Ask the desks in turn for a trial; whether there was one."""
        for _ in range(len(self._desks)):
            desk = self._desks.pop(0)
            self._desks.append(desk)
            if desk.key in self._spent:
                continue
            proposal = None if self._fruitless[desk.key] >= _ENOUGH_IS_ENOUGH else desk.next()
            if proposal is None:
                self._spent.add(desk.key)
                continue
            trial = OpenTrial(desk=desk, proposal=proposal)
            if proposal.error:
                self._give_up(trial, proposal.error)
            else:
                self._trials.append(trial)
                self._release(trial, desk.search.seeds[: _first_rung(desk)])
                self._settle()
            return True
        return False

    def _release(self, trial: OpenTrial, seeds: Iterable[int]) -> None:
        """Put into the queue what the store lacks for some seeds of a trial."""
        for seed in seeds:
            trial.released.append(seed)
            use = Use(trial.desk.search.name, trial.name, seed)
            shared = self._shared[trial.desk.key]
            missing = missing_steps(trial.proposal.finals[seed], self._store)
            trial.needs |= {step.address for step in missing}
            fresh = [step for step in missing if step.address not in self._holder]
            users = {
                step.address: frozenset(
                    {use, Use(use.target, _SHARED, seed)} if step.address in shared else {use}
                )
                for step in fresh
            }
            for chain in chains_of(fresh, users):
                self._waiting[chain.name] = chain
                self._holder |= {step.address: chain.name for step in chain.steps}
            total = sum(1 for _ in trial.proposal.finals[seed].closure())
            self._count(total, found=total - len(missing), joined=len(missing) - len(fresh), new=len(fresh))
            trial.computed = trial.computed or bool(missing)

    def _count(self, wanted: int, *, found: int, joined: int, new: int) -> None:
        have = self.counts
        self.counts = Counts(
            wanted=have.wanted + wanted,
            found=have.found + found,
            joined=have.joined + joined,
            computed=have.computed + new,
        )

    def _ready(self) -> Chain | None:
        """The first waiting chain whose inputs are published."""
        for chain in self._waiting.values():
            own = {step.address for step in chain.steps}
            outside = {below.address for step in chain.steps for below in step.inputs.values()} - own
            # An input may be published while the rest of its chain still runs.
            if all(address not in self._holder or self._store.has(address) for address in outside):
                return chain
        return None

    # --- answering ---------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Answer the trials for which nothing is missing any more."""
        again = True
        while again:
            again = False
            for trial in list(self._trials):
                if trial.needs or trial not in self._trials:
                    continue
                self._look(trial)
                again = True  # what was released may be in the store

    def _look(self, trial: OpenTrial) -> None:
        """All released seeds of a trial are measured: judge it, or take its answer."""
        desk, number = trial.desk, trial.proposal.number
        try:
            answer = answer_of(trial, self._store)
        except ReportError as error:
            self._give_up(trial, str(error))
            return
        rest = [seed for seed in desk.search.seeds if seed not in trial.released]
        if rest:
            (mean,) = answer.objectives
            if desk.judge(number, mean, len(trial.released)):
                self._trials.remove(trial)
                desk.prune(number)
                return
            self._release(trial, rest[: _next_rung(desk, len(trial.released)) - len(trial.released)])
            return
        self._trials.remove(trial)
        if desk.search.pruner is not None:
            desk.judge(number, answer.objectives[0], len(trial.released))
        self._fruitless[desk.key] = 0
        desk.complete(number, answer)

    # --- failing -----------------------------------------------------------------------------------------

    def _fail(self, chain: Chain, failure: Failure) -> None:
        """A chain failed, and with it everything that needs what it did not publish."""
        lost = {step.address for step in chain.steps if not self._store.has(step.address)}
        for trial in self._trials:
            trial.needs -= {step.address for step in chain.steps} - lost
        for trial in [trial for trial in self._trials if trial.needs & lost]:
            for seed in trial.released:
                if trial.lacks(seed) & lost:
                    use = Use(trial.desk.search.name, trial.name, seed)
                    self._failures.setdefault(use, failure)
            if failure.kind in NOT_THE_TRIALS:
                self._trials.remove(trial)
                self._fruitless[trial.desk.key] += 1
                trial.desk.leave(trial.proposal.number)
            else:
                self._give_up(trial, f"{failure.kind}: {failure.message}")
        self._drop_orphans()

    def _give_up(self, trial: OpenTrial, error: str) -> None:
        if trial in self._trials:
            self._trials.remove(trial)
        self._fruitless[trial.desk.key] += 1
        trial.desk.fail(trial.proposal.number, error)
        self._drop_orphans()

    def _drop_orphans(self) -> None:
        """Chains that wait and that no open trial needs any more are taken from the queue."""
        wanted = {address for trial in self._trials for address in trial.needs}
        for chain in list(self._waiting.values()):
            if not wanted & {step.address for step in chain.steps}:
                self._let_go(self._waiting.pop(chain.name))

    def _let_go(self, chain: Chain) -> None:
        for step in chain.steps:
            if self._holder.get(step.address) == chain.name:
                del self._holder[step.address]


def _first_rung(desk: Desk) -> int:
    return _next_rung(desk, 0)


def _next_rung(desk: Desk, reached: int) -> int:
    num_seeds = len(desk.search.seeds)
    pruner = desk.search.pruner
    rungs = (num_seeds,) if pruner is None else pruner.rungs(num_seeds)
    return next(rung for rung in rungs if rung > reached)
