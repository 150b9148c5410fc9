"""One study from its first command to its result, while parts of the system are taken away."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.cluster.harness.damage import Disk
from tests.cluster.harness.places import TOYS, Places
from tests.cluster.harness.processes import Command
from tests.cluster.harness.sabotage import Sabotage
from tests.cluster.harness.schedule import DAMAGES, Blow
from tests.cluster.harness.watch import Sight, Watcher

_LOOK_S = 0.1
_STUDY_S = 2400.0  # on a busy machine; undisturbed on an idle one it takes one or two minutes
_UNTOUCHED_S = 45.0  # after which a process that still trains was not hit


@dataclass(kw_only=True)
class Hit:
    """A blow that was dealt, and what came of it.

    Attributes:
        kind: Its kind.
        what: What exactly was hit.
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
        log: What its commands printed.
        disk: Under its store, if that is a disk of its own.
        seconds: From the first command to the end of the last.
        codes: Exit codes of its commands, in order.
        hits: What was done to it.
        missed: Blows whose moment did not come before the end.
        attempts: Address to the account of the attempts at its training.
    """

    name: str
    store: Path
    log: Path
    disk: Disk | None = None
    seconds: float = 0.0
    codes: list[int] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    missed: list[Blow] = field(default_factory=list)
    attempts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def course_of(places: Places, name: str, *, own_disk: bool = False) -> Course:
    """A study that has not begun."""
    folder = places.folder / name
    disk = Disk(folder) if own_disk else None
    store = folder / "store" if own_disk else folder
    return Course(name=name, store=store, log=places.folder / "logs" / f"{name}.log", disk=disk)


class Disturbed:
    """Runs a study and disturbs it.

    Args:
        places: Where everything lies.
        course: The study.
        sabotage: What disturbs it.
        target: What ``dymu run`` is to run.
        options: Further words for it.
        steps: Training steps of each trained stage.
    """

    def __init__(
        self,
        places: Places,
        course: Course,
        sabotage: Sabotage,
        *,
        target: str,
        options: Sequence[str],
        steps: int,
    ) -> None:
        self.course = course
        self._places = places
        self._sabotage = sabotage
        self._words = (
            *(sys.executable, "-m", "dymu", "run", target),
            *(f"--address={places.ray_address}", f"--store={course.store}", *options),
        )
        self._steps = steps
        self._began = time.monotonic()
        self._hits_at_start = 0
        self._command = self._start()

    def go(self, blows: Sequence[Blow] = ()) -> Course:
        """Run to the end; the same command is given again whenever it ended without having finished."""
        try:
            with Watcher(self.course.store, steps=self._steps) as watch:
                for blow in blows:
                    self._disturb(blow, watch)
                while not self._over():
                    time.sleep(_LOOK_S)
            self.course.attempts = watch.attempts
        finally:
            self._command.end()
            self._sabotage.mend(now=True)
        self.course.seconds = time.monotonic() - self._began
        return self.course

    def _disturb(self, blow: Blow, watch: Watcher) -> None:
        while watch.position < blow.position and not self._over():
            time.sleep(_LOOK_S)
        until = time.monotonic() + blow.delay_s
        while time.monotonic() < until and not self._over():
            time.sleep(_LOOK_S)
        if self._over():
            self.course.missed.append(blow)
            return
        # A server or a disk that is away ends no process.
        at_work = watch.last.pid if watch.last is not None and blow.kind not in ("mlflow", *DAMAGES) else None
        commands = len(self.course.codes)
        moment = time.monotonic()
        hit = Hit(kind=blow.kind, what="", at_s=moment - self._began, where=watch.where)
        self.course.hits.append(hit)
        hit.what = self._sabotage.do(blow, self._command, self._over)
        seen = self._recovery(watch, moment, at_work)
        hit.recovery_s = (seen.at if seen is not None else time.monotonic()) - moment
        hit.redone = watch.redone(moment, seen) if seen is not None else 0
        if len(self.course.codes) > commands:
            hit.by = f"same command (after exit {self.course.codes[commands]})"

    def _recovery(self, watch: Watcher, moment: float, at_work: int | None) -> Sight | None:
        while not self._over():
            seen = watch.after(moment, but=at_work)
            if seen is None and at_work is not None and time.monotonic() - moment > _UNTOUCHED_S:
                seen = watch.after(moment) if psutil.pid_exists(at_work) else None
            if seen is not None:
                return seen
            time.sleep(_LOOK_S)
        return None

    def _start(self) -> Command:
        self._hits_at_start = len(self.course.hits)
        environment = self._places.environment({"DYMU_CHAOS_NAME": self.course.name})
        return Command(self._words, environment, TOYS, self.course.log)

    def _over(self) -> bool:
        """Whether the study has finished; gives its command again if that ended before."""
        self._sabotage.mend()
        code = self._command.code
        if code is None:
            if time.monotonic() - self._began > _STUDY_S:
                raise TimeoutError(
                    f"{self.course.name} is not over after {_STUDY_S:g} s:\n{self._last_words}"
                )
            return False
        if self.course.codes and self.course.codes[-1] == 0:
            return True
        if not self._sabotage.disk_is_down:  # nobody would try again before
            self.course.codes.append(code)
            if code == 0:
                return True
            # A command that fails although nothing happened since it was given is a defect.
            assert len(self.course.hits) > self._hits_at_start, f"exit code {code}:\n{self._last_words}"
            self._command = self._start()
        return False

    @property
    def _last_words(self) -> str:
        lines = self.course.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-30:])
