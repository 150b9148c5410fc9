"""Which chain may start next. Both backends ask it, so both run the same plan in the same order."""

import threading
from collections.abc import Iterable, Mapping
from typing import Protocol

from dymu.run.plan import Chain, Plan, Use
from dymu.run.work import Failure


class Queue(Protocol):
    """What a backend asks and tells; chains may appear while it runs."""

    def take(self) -> Chain | None:
        """The next chain to start, or ``None`` if none is ready now."""

    def finish(self, name: str, failure: Failure | None = None) -> None:
        """Say how a chain that was taken ended."""

    def interrupt(self, name: str) -> None:
        """Say that a chain was interrupted: it is neither finished nor failed."""

    def stop(self) -> None:
        """Hand out nothing more."""

    @property
    def exhausted(self) -> bool:
        """Whether nothing runs and nothing will."""

    @property
    def running(self) -> tuple[Chain, ...]:
        """Chains that have been taken and have not ended."""

    @property
    def finished(self) -> frozenset[str]:
        """Names of the chains whose steps are all published."""

    @property
    def failures(self) -> Mapping[Use, Failure]:
        """Per arm and seed the first failure that it met."""


class ChainQueue:
    """Hands out chains whose inputs are ready; a failed chain takes with it only the chains that need it."""

    def __init__(self, plan: Plan) -> None:
        self._lock = threading.Lock()
        self._order = _by_users(plan.chains)
        self._waiting: dict[str, Chain] = {chain.name: chain for chain in self._order}
        self._running: dict[str, Chain] = {}
        self._finished: set[str] = set()
        self._failures: dict[str, Failure] = {}
        self._stopped = False

    def take(self) -> Chain | None:
        """The next chain to start, or ``None`` if none is ready now."""
        with self._lock:
            if self._stopped:
                return None
            for chain in self._order:
                if chain.name in self._waiting and chain.needs <= self._finished:
                    self._running[chain.name] = self._waiting.pop(chain.name)
                    return chain
            return None

    def finish(self, name: str, failure: Failure | None = None) -> None:
        """Say how a chain that was taken ended."""
        with self._lock:
            chain = self._running.pop(name)
            if failure is None:
                self._finished.add(chain.name)
                return
            self._fail(chain.name, failure)

    def interrupt(self, name: str) -> None:
        """Say that a chain was interrupted: it is neither finished nor failed."""
        with self._lock:
            self._running.pop(name, None)

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._lock:
            self._stopped = True

    @property
    def exhausted(self) -> bool:
        """Whether nothing runs and nothing will."""
        with self._lock:
            return not self._running and (self._stopped or not self._waiting)

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
        """Per arm and seed the first failure that it met."""
        with self._lock:
            found: dict[Use, Failure] = {}
            for chain in self._order:
                failure = self._failures.get(chain.name)
                for use in chain.users if failure is not None else ():
                    assert failure is not None
                    found.setdefault(use, failure)
            return found

    def _fail(self, name: str, failure: Failure) -> None:
        self._failures[name] = failure
        for chain in self._order:
            if name in chain.needs and self._waiting.pop(chain.name, None) is not None:
                self._fail(chain.name, failure)


def _by_users(chains: Iterable[Chain]) -> tuple[Chain, ...]:
    # What most arms wait for goes first; otherwise the order of the plan.
    return tuple(sorted(chains, key=lambda chain: -len(chain.users)))
