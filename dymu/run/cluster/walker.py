"""A Tune searcher that walks the plan: it suggests chains whose inputs are ready and ends with the plan."""

# typing.override, which this check asks for, needs a later Python than the oldest that dymu runs on.
# mypy: disable-error-code="explicit-override"

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dymu.artifacts.store import Store
from dymu.errors import BackendError, StoreError
from dymu.run.cluster.admission import Admission, has_workers, largest, trial_bundle
from dymu.run.cluster.cargo import pack
from dymu.run.cluster.trial import read_end
from dymu.run.execute import ChainEnd
from dymu.run.place import Place
from dymu.run.plan import Chain
from dymu.run.queue import Queue
from dymu.run.work import LOG, Failure, read_failure

if TYPE_CHECKING:
    from ray.tune.search import Searcher

_LOGGER = logging.getLogger(__name__)
_LOOK_S = 1.0


class Walk:
    """Which chain starts next, given what fits, what somebody else computes, and whether to stop.

    Args:
        queue: Hands out chains whose inputs are ready.
        admission: What fits.
        store: Where artifacts are.
        place: How steps run.
        stop_requested: Whether nothing more is to start.
    """

    def __init__(
        self,
        queue: Queue,
        admission: Admission,
        store: Store,
        place: Place,
        stop_requested: Callable[[], bool],
    ) -> None:
        self._queue = queue
        self._admission = admission
        self._store = store
        self._place = place
        self._stop_requested = stop_requested
        self._held: Chain | None = None  # taken from the queue, but there is no room yet
        self._elsewhere: dict[str, tuple[Chain, str]] = {}  # chain and the step that somebody else computes
        self._looked_at = float("-inf")
        self._lock = threading.Lock()

    def next(self) -> Chain | None:
        """The next chain to start, booked; ``None`` if none can start now."""
        with self._lock:
            if self._stop_requested():
                self._drop_waiting()
                return None
            chain = self._held or self._returned() or self._queue.take()
            self._held = None
            if chain is not None and not self._admit(chain):
                self._held, chain = chain, None
            return chain

    @property
    def over(self) -> bool:
        """Whether nothing runs and nothing will."""
        return self._queue.exhausted

    def ended(self, chain: Chain, end: ChainEnd) -> None:
        """Say how a chain ended; one that waits for somebody else comes again when they are done."""
        self._admission.release(chain.name)
        if end.interrupted:
            self._queue.stop()
            self._queue.interrupt(chain.name)
        elif end.waits_for:
            with self._lock:
                self._elsewhere[chain.name] = (chain, end.waits_for)
        else:
            self._queue.finish(chain.name, end.failure)

    def _admit(self, chain: Chain) -> bool:
        ahead = not has_workers(chain, self._place)
        return self._admission.admit(chain.name, largest(chain, self._place), ahead=ahead)

    def _returned(self) -> Chain | None:
        """A postponed chain whose step is published, or that nobody computes any more."""
        if not self._elsewhere or time.monotonic() - self._looked_at < _LOOK_S:
            return None
        self._looked_at = time.monotonic()
        try:
            held = self._store.holders([address for _, address in self._elsewhere.values()])
            for name, (chain, address) in self._elsewhere.items():
                if address not in held or self._store.has(address):
                    del self._elsewhere[name]
                    return chain
        except StoreError as error:
            _LOGGER.warning("the store does not answer: %s", error)
        return None

    def _drop_waiting(self) -> None:
        self._queue.stop()
        waiting = [chain for chain, _ in self._elsewhere.values()]
        for chain in (*waiting, *([self._held] if self._held is not None else [])):
            self._queue.interrupt(chain.name)
        self._elsewhere, self._held = {}, None


def make_searcher(walk: Walk, store: Store, place: Place, scratch: Path) -> "Searcher":
    """The walk as a searcher of Tune."""
    from ray.tune.search import Searcher

    class PlanWalker(Searcher):
        """Suggests chains, and hears how their trials ended."""

        def __init__(self) -> None:
            super().__init__()
            self._taken: dict[str, Chain] = {}

        def suggest(self, trial_id: str) -> Any:
            chain = walk.next()
            if chain is None:
                return Searcher.FINISHED if walk.over else None
            self._taken[trial_id] = chain
            bundle = dict(trial_bundle(chain, place))
            return {"name": chain.name, "chain": pack(chain), "bundle": bundle}

        def on_trial_complete(
            self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
        ) -> None:
            chain = self._taken.pop(trial_id)
            told = read_end(result or {})
            if error or told is None:
                failure = _crash(chain, store, scratch, trial_id)
                walk.ended(chain, ChainEnd(name=chain.name, failure=failure))
                return
            end, warnings = told
            for warning in warnings:
                _LOGGER.warning("%s", warning)
            walk.ended(chain, end)

        def __reduce__(self) -> tuple[type[dict[str, str]], tuple[()]]:
            # Tune pickles its searcher for a restore that never happens; the store has it all.
            return (dict, ())

        def save(self, checkpoint_path: str) -> None:
            Path(checkpoint_path).touch()

        def restore(self, checkpoint_path: str) -> None:
            raise BackendError(f"{checkpoint_path} holds no state; run the same dymu command again.")

    return PlanWalker()


def _crash(chain: Chain, store: Store, scratch: Path, trial_id: str) -> Failure:
    """What is known about a trial that ended without a word."""
    step = next((step for step in chain.steps if not store.has(step.address)), chain.steps[-1])
    told = read_failure(store, step.address)
    if told is not None:
        return told
    log = store.work_dir(step.address) / LOG
    lines = ["the worker process ended without an error of its own; was it killed, or out of memory?"]
    for report in scratch.glob(f"dymu/*{trial_id}*/error.txt"):
        lines = report.read_text(encoding="utf-8").strip().splitlines()
    with log.open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return Failure(address=step.address, kind="BackendError", message=lines[-1], step=None, log=str(log))
