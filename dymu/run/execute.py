"""One step, from its address to its published artifact; chains of them. Both backends end here."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from dymu.artifacts.lease import Lease
from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.run.compute import Claim, StopRequested, compute_step, leave_error
from dymu.run.place import Place
from dymu.run.plan import Chain
from dymu.run.sound import damage_of
from dymu.run.work import ERROR, LOG, Failure, read_failure
from dymu.stages.context import Interrupted, Superseded

_LEASE_WAIT_S = 0.5

Launch = Callable[[Step, str], None]
"""Computes a step somewhere else, for the lease with this token, and returns when it is published."""

_LOGGER = logging.getLogger(__name__)


class Postponed(BaseException):
    """Somebody else computes the step and may need for it what waiting here holds. Not an error."""


@dataclass(frozen=True, kw_only=True)
class ChainEnd:
    """How a chain ended: published, failed, stopped on request, or left to somebody else for now.

    Attributes:
        name: Of the chain.
        failure: What went wrong.
        interrupted: Whether a stop was requested.
        waits_for: Address of a step that somebody else computes; empty if there is none.
    """

    name: str
    failure: Failure | None = None
    interrupted: bool = False
    waits_for: str = ""


def run_chain(
    chain: Chain,
    store: Store,
    place: Place,
    stop_requested: StopRequested,
    *,
    launch: Launch | None = None,
    patience_s: float | None = None,
    cpu_clock: Callable[[], float] = time.process_time,
) -> ChainEnd:
    """Execute the steps of a chain in order; a failure or an interruption ends the chain, not the process.

    Args:
        chain: The chain; what it needs of other chains must exist.
        store: Where artifacts are.
        place: How to run.
        stop_requested: Asked between training steps and while waiting.
        launch: Computes steps somewhere else; ``None`` computes them here.
        patience_s: How long to wait for others who compute the same step; ``None`` for as long as it takes.
        cpu_clock: CPU-seconds of the process that are to be charged to a step that is computed here.
    """
    steps = Steps(store, place, stop_requested, launch=launch, patience_s=patience_s, cpu_clock=cpu_clock)
    for step in chain.steps:
        try:
            steps.execute(step)
        except Interrupted:
            return ChainEnd(name=chain.name, interrupted=True)
        except Postponed as postponed:
            return ChainEnd(name=chain.name, waits_for=str(postponed))
        except Exception as error:  # noqa: BLE001 - an arm fails alone; the error is told at the end
            return ChainEnd(
                name=chain.name, failure=read_failure(store, step.address) or failure_of(step, error)
            )
    return ChainEnd(name=chain.name)


def execute_step(
    step: Step,
    store: Store,
    place: Place,
    stop_requested: StopRequested,
    *,
    launch: Launch | None = None,
    cpu_clock: Callable[[], float] = time.process_time,
) -> bool:
    """Publish the artifact of a step unless the store has it.

    While somebody else computes the same step this waits, and looks again when they are done. Inputs that are
    damaged or were removed are computed again first.

    Returns:
        Whether the step was computed on behalf of this call.

    Raises:
        Interrupted: If a stop was requested; the checkpoint stays.
        Exception: Whatever the stage raised, after it was written to ``error.json`` in the work folder.
    """
    return Steps(store, place, stop_requested, launch=launch, cpu_clock=cpu_clock).execute(step)


def failure_of(step: Step, error: BaseException) -> Failure:
    """A failure that could not even be written down, for instance because the disk is full."""
    return Failure(address=step.address, kind=type(error).__name__, message=str(error), step=None, log="")


class Steps:
    """Executes steps under their leases; see :func:`run_chain` for the arguments."""

    def __init__(
        self,
        store: Store,
        place: Place,
        stop_requested: StopRequested,
        *,
        launch: Launch | None = None,
        patience_s: float | None = None,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        self._store = store
        self._place = place
        self._stop_requested = stop_requested
        self._launch = launch
        self._patience_s = patience_s
        self._cpu_clock = cpu_clock

    def execute(self, step: Step) -> bool:
        """Publish a step unless the store has it; whether it was computed on behalf of this call.

        Raises:
            Interrupted: If a stop was requested.
            Postponed: If somebody else has been computing the step for longer than the patience.
            Exception: Whatever the stage raised.
        """
        while (lease := self._acquire(step)) is not None:
            try:
                if self._store.has(step.address):
                    return False
                self._compute(step, lease.token)
            except Superseded:
                _LOGGER.warning("%s was taken over by another process; this one waits for it.", step.address)
            else:
                return True
            finally:
                lease.release()
        return False

    def _acquire(self, step: Step) -> Lease | None:
        """The lease of a step, held; ``None`` once the store has the step."""
        lease = self._store.lease(step.address)
        began = time.monotonic()
        while not self._store.has(step.address):
            if self._stop_requested():
                raise Interrupted(step.address)
            if lease.try_acquire():
                return lease
            if self._patience_s is not None and time.monotonic() - began > self._patience_s:
                raise Postponed(step.address)
            time.sleep(_LEASE_WAIT_S)
        return None

    def _compute(self, step: Step, token: str) -> None:
        self._store.pull_work(step.address)
        (self._store.work_dir(step.address) / ERROR).unlink(missing_ok=True)
        try:
            self._mend_inputs(step)
            if self._launch is not None:
                self._launch(step, token)
            else:
                claim, clock = Claim(token=token), self._cpu_clock
                compute_step(step, self._store, self._place, self._stop_requested, claim, cpu_clock=clock)
        except Exception as error:
            leave_error(step, self._store, error, token=token)
            raise

    def _mend_inputs(self, step: Step) -> None:
        """Compute inputs again that are damaged or were removed since the plan was made."""
        parts = step.parts if all(self._store.has(part.address) for part in step.parts) else ()
        for below in (*step.inputs.values(), *parts):
            damage = damage_of(self._store, below.address)
            if damage is None:
                continue
            told = f"{step.address} needs {below.address}, which is computed again: {damage}"
            _LOGGER.warning("%s", told)
            with (self._store.work_dir(step.address) / LOG).open("a", encoding="utf-8") as log:
                log.write(told + "\n")
            self.execute(below)
