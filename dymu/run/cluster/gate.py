"""What the controller of a worker group asks before each attempt to start the workers."""

import time
from typing import Any

from dymu.artifacts.location import open_store
from dymu.errors import BackendError
from dymu.run.cluster.cargo import Cargo
from dymu.run.cluster.nodes import nodes_possible
from dymu.run.resources import Resources, check_feasible

START_TIMEOUT_S = 15.0
"""How long one attempt waits for free resources."""
_QUICK_FAILURES = 5
_INFEASIBLE_S = 300.0  # how long a cluster may be too small, for instance while a node is replaced


class Gate:
    """Ends the waiting for workers if a stop is requested, if they can never start, or if they fail to.

    Args:
        cargo: What every process of the run needs.
        need: What the step takes.
    """

    def __init__(self, cargo: Cargo, need: Resources) -> None:
        self._cargo = cargo
        self._need = need
        self._last = float("-inf")
        self._failures = 0
        self._too_small_since: float | None = None

    def attempt(self, now: float) -> None:
        """Look whether another attempt makes sense.

        Args:
            now: Seconds of a clock that is not set.

        Raises:
            BackendError: If it does not; says why.
        """
        if open_store(self._cargo.location).flag(self._cargo.stop).raised():
            raise BackendError("a stop was requested while the workers were waiting for resources.")
        # An attempt that ended before its time did not wait for resources: its processes did not come up.
        self._failures = self._failures + 1 if now - self._last < START_TIMEOUT_S else 0
        self._last = now
        if self._failures >= _QUICK_FAILURES:
            raise BackendError(f"the processes of {self._need.text} failed to start {self._failures} times.")
        self._check_size(now)

    def started(self) -> None:
        """Say that the workers run; a later restart is counted anew."""
        self._failures, self._last = 0, float("-inf")

    def _check_size(self, now: float) -> None:
        try:
            check_feasible({"": self._need}, nodes_possible())
        except BackendError:
            self._too_small_since = self._too_small_since or now
            if now - self._too_small_since >= _INFEASIBLE_S:
                raise
        else:
            self._too_small_since = None


def make_gate(cargo: Cargo, need: Resources) -> Any:
    """The gate as a callback of Ray Train's controller."""
    from ray.train.v2._internal.execution.callback import WorkerGroupCallback

    class GateCallback(WorkerGroupCallback):
        def __init__(self) -> None:
            self._gate = Gate(cargo, need)

        def before_worker_group_start(self, worker_group_context: Any) -> None:  # noqa: ARG002
            self._gate.attempt(time.monotonic())

        def after_worker_group_start(self, worker_group: Any) -> None:  # noqa: ARG002
            self._gate.started()

    return GateCallback()
