"""One study from its first command to its result, while parts of the system are killed."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.cluster.harness.machines import Cluster
from tests.cluster.harness.places import TOYS, Places
from tests.cluster.harness.processes import Command, kill, wait_until
from tests.cluster.harness.schedule import Kill
from tests.cluster.harness.tracking import TrackingServer
from tests.cluster.harness.watch import Sight, Watcher

WORKER = "ray::RayTrainWorker"
TRIAL = ("ray::_trial", "ray::ImplicitFunc")
_LOOK_S = 0.1
_STUDY_S = 900.0
_VICTIM_S = 90.0
_UNTOUCHED_S = 45.0  # after which a process that still trains was not hit


@dataclass(kw_only=True)
class Hit:
    """A kill that was done, and what came of it.

    Attributes:
        kind: Of what.
        what: Which process.
        at_s: Seconds since the study's first command.
        where: Stage and step at that moment.
        recovery_s: Seconds until the next training step was done, by others than the killed.
        redone: Training steps that were done again.
        by: ``system``, or ``same command`` if that had to be given again.
    """

    kind: str
    what: str
    at_s: float
    where: str
    recovery_s: float = float("nan")
    redone: int = 0
    by: str = "system"


@dataclass(kw_only=True)
class Course:
    """How a study went.

    Attributes:
        name: Of the study.
        store: Its store.
        seconds: From the first command to the end of the last.
        codes: Exit codes of its commands, in order.
        hits: What was killed.
        missed: Kills whose moment did not come before the end.
    """

    name: str
    store: Path
    seconds: float = 0.0
    codes: list[int] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    missed: list[Kill] = field(default_factory=list)


class Disturbed:
    """Runs a study and disturbs it.

    Args:
        places: Where the campaign lies.
        cluster: A cluster that is up.
        server: A tracking server that is up.
        name: Of this study; names its store, too.
        options: Further words for ``dymu run``.
        steps: Training steps of each trained stage.
    """

    def __init__(
        self,
        places: Places,
        cluster: Cluster,
        server: TrackingServer,
        *,
        name: str,
        options: Sequence[str],
        steps: int,
    ) -> None:
        self.course = Course(name=name, store=places.folder / name)
        self._places = places
        self._cluster = cluster
        self._server = server
        self._options = tuple(options)
        self._steps = steps
        self._log = places.folder / "logs" / f"{name}.log"
        self._command: Command | None = None
        self._hits_at_start = 0
        self._began = time.monotonic()
        self._server_back_at: float | None = None

    def go(self, kills: Sequence[Kill]) -> Course:
        """Run to the end; the same command is given again whenever it ended without having finished."""
        self._began = time.monotonic()
        self._start()
        try:
            with Watcher(self.course.store, steps=self._steps) as watch:
                for planned in kills:
                    self._disturb(planned, watch)
                while not self._over():
                    time.sleep(_LOOK_S)
        finally:
            if self._command is not None:
                self._command.end()
            self._bring_server_back(now=True)
        self.course.seconds = time.monotonic() - self._began
        return self.course

    # --- one kill ------------------------------------------------------------------------------------------

    def _disturb(self, planned: Kill, watch: Watcher) -> None:
        while watch.position < planned.position and not self._over():
            time.sleep(_LOOK_S)
        until = time.monotonic() + planned.delay_s
        while time.monotonic() < until and not self._over():
            time.sleep(_LOOK_S)
        if self._over():
            self.course.missed.append(planned)
            return
        at_work = watch.last.pid if watch.last is not None else None
        commands = len(self.course.codes)
        moment = time.monotonic()
        hit = Hit(kind=planned.kind, what="", at_s=moment - self._began, where=watch.where)
        hit.what = getattr(self, f"_kill_{planned.kind}")(planned)
        self.course.hits.append(hit)
        seen = self._recovery(watch, moment, at_work if planned.kind != "mlflow" else None)
        hit.recovery_s = (seen.at if seen is not None else time.monotonic()) - moment
        if seen is not None:
            hit.redone = watch.redone(moment, seen)
        if len(self.course.codes) > commands:
            hit.by = f"same command (after exit {self.course.codes[-1]})"

    def _recovery(self, watch: Watcher, moment: float, at_work: int | None) -> Sight | None:
        while not self._over():
            seen = watch.after(moment, but=at_work)
            if seen is None and at_work is not None and time.monotonic() - moment > _UNTOUCHED_S:
                seen = watch.after(moment) if psutil.pid_exists(at_work) else None
            if seen is not None:
                return seen
            time.sleep(_LOOK_S)
        return None

    def _kill_worker(self, planned: Kill) -> str:
        return self._kill_titled(planned, WORKER)

    def _kill_trial(self, planned: Kill) -> str:
        return self._kill_titled(planned, *TRIAL)

    def _kill_titled(self, planned: Kill, *beginnings: str) -> str:
        wait_until(
            lambda: bool(self._cluster.titled(*beginnings)) or self._over(),
            f"a process {beginnings[0]}",
            patience_s=_VICTIM_S,
        )
        found = self._cluster.titled(*beginnings)
        if not found:
            return "nothing: the study was over"
        chosen = int(planned.victim * len(found))
        kill(found[chosen])
        return f"{chosen + 1} of {len(found)}"

    def _kill_raylet(self, planned: Kill) -> str:
        nodes = self._cluster.workers
        node = nodes[int(planned.victim * len(nodes))]
        self._cluster.kill_raylet(node)
        spare = self._cluster.add(wait=False)
        return f"{node.name}, replaced by {spare.name}"

    def _kill_driver(self, planned: Kill) -> str:
        del planned
        assert self._command is not None
        self._command.kill()
        return "the command"

    def _kill_head(self, planned: Kill) -> str:
        del planned
        assert self._command is not None
        command = self._command
        self._cluster.kill_head()
        took = wait_until(
            lambda: command.code is not None,
            "the command notices",
            patience_s=self._places.gcs_patience_s + 120,
        )
        self._cluster.start()
        return f"the GCS; the command ended {took:.0f} s later"

    def _kill_mlflow(self, planned: Kill) -> str:
        self._server.kill()
        self._server_back_at = time.monotonic() + planned.down_s
        return f"down for {planned.down_s:.0f} s"

    # --- the command ---------------------------------------------------------------------------------------

    def _start(self) -> None:
        words = [
            *(sys.executable, "-m", "dymu", "run", "small_digits:ours"),
            *(f"--address={self._places.ray_address}", f"--store={self.course.store}"),
            *self._options,
        ]
        self._hits_at_start = len(self.course.hits)
        environment = self._places.environment({"DYMU_CHAOS_NAME": self.course.name})
        self._command = Command(words, environment, TOYS, self._log)

    def _over(self) -> bool:
        """Whether the study has finished; gives its command again if that ended before."""
        self._bring_server_back()
        assert self._command is not None
        code = self._command.code
        if code is None:
            if time.monotonic() - self._began > _STUDY_S:
                raise TimeoutError(
                    f"{self.course.name} is not over after {_STUDY_S:g} s; {self._command.log}"
                )
            return False
        if not self.course.codes or self.course.codes[-1] != 0:
            self.course.codes.append(code)
            if code != 0:
                self._again(code)
                return False
        return True

    def _again(self, code: int) -> None:
        """Give the same command again; one that fails although nothing was killed meanwhile is a defect."""
        assert len(self.course.hits) > self._hits_at_start, f"exit code {code}:\n{_end_of(self._log)}"
        self._start()

    def _bring_server_back(self, *, now: bool = False) -> None:
        if self._server_back_at is not None and (now or time.monotonic() >= self._server_back_at):
            self._server_back_at = None
            self._server.start(wait=now)


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])
