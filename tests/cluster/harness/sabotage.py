"""Carries out what a schedule asks for."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.cluster.harness import damage
from tests.cluster.harness.machines import Cluster
from tests.cluster.harness.processes import Command, kill, wait_until
from tests.cluster.harness.schedule import Blow
from tests.cluster.harness.tracking import TrackingServer

WORKER = ("ray::RayTrainWorker", "ray::execute.")  # as Ray Train calls what its workers do
TRIAL = ("ray::run_trial", "ray::_trial", "ray::ImplicitFunc", "ray::partial")
_VICTIM_S = 90.0


class Sabotage:
    """Does one blow after another to one study, and repairs what an operator would.

    Args:
        cluster: Where the study runs.
        server: What it tells its metrics.
        store: Its store.
        disk: Under the store, if that is a disk of its own.
    """

    def __init__(
        self, cluster: Cluster, server: TrackingServer, store: Path, disk: damage.Disk | None
    ) -> None:
        self._cluster = cluster
        self._server = server
        self._store = store
        self._disk = disk
        self._server_back_at: float | None = None
        self._disk_back_at: float | None = None

    @property
    def disk_is_down(self) -> bool:
        """Whether nothing can be written just now."""
        return self._disk_back_at is not None

    def do(self, blow: Blow, command: Command, over: Callable[[], bool]) -> str:
        """Do it; says to what.

        Args:
            blow: What.
            command: The study's command.
            over: Whether the study has finished meanwhile.
        """
        if blow.kind in ("worker", "trial"):
            return self._kill_titled(blow, WORKER if blow.kind == "worker" else TRIAL, over)
        if blow.kind == "raylet":
            return self._kill_raylet(blow)
        if blow.kind == "driver":
            command.kill()
            return "the command"
        if blow.kind == "head":
            return self._kill_head(command)
        if blow.kind == "mlflow":
            self._server.kill()
            self._server_back_at = time.monotonic() + blow.down_s
            return f"down for {blow.down_s:.0f} s"
        if blow.kind in ("full", "readonly"):
            return self._spoil_disk(blow)
        change = {"deleted": damage.delete, "flipped": damage.flip, "cut": damage.cut}[blow.kind]
        return change(self._store, blow.choice)

    def mend(self, *, now: bool = False) -> None:
        """Bring back what was to be away for a while, if its time has come."""
        moment = time.monotonic()
        if self._server_back_at is not None and (now or moment >= self._server_back_at):
            self._server_back_at = None
            self._server.start(wait=now)
        if self._disk_back_at is not None and (now or moment >= self._disk_back_at):
            self._disk_back_at = None
            assert self._disk is not None
            self._disk.mend()

    def _kill_titled(self, blow: Blow, beginnings: tuple[str, ...], over: Callable[[], bool]) -> str:
        found = self._cluster.titled(*beginnings)
        if not found:
            wait_until(
                lambda: bool(self._cluster.titled(*beginnings)) or over(),
                f"a process {beginnings[0]}",
                patience_s=_VICTIM_S,
            )
            found = self._cluster.titled(*beginnings)
        if not found:
            return "none: the study was over"
        chosen = int(blow.choice * len(found))
        kill(found[chosen])
        return f"{chosen + 1} of {len(found)}"

    def _kill_raylet(self, blow: Blow) -> str:
        nodes = self._cluster.workers
        node = nodes[int(blow.choice * len(nodes))]
        self._cluster.kill_raylet(node)
        spare = self._cluster.add(wait=False)
        return f"{node.name}, replaced by {spare.name}"

    def _kill_head(self, command: Command) -> str:
        """The command ends by itself, as it cannot go on; then there is another cluster at the same place."""
        self._cluster.kill_head()
        patience_s = self._cluster.places.gcs_patience_s + 120
        took = wait_until(lambda: command.code is not None, "the command notices", patience_s=patience_s)
        self._cluster.start()
        return f"GCS; noticed after {took:.0f} s"

    def _spoil_disk(self, blow: Blow) -> str:
        assert self._disk is not None, "the store of this study does not lie on a disk of its own"
        self._disk_back_at = time.monotonic() + blow.down_s
        if blow.kind == "full":
            self._disk.fill()
        else:
            self._disk.protect()
        return f"for {blow.down_s:.0f} s"
