"""Processes that the harness started, and what they started in turn: found by session, ended by pid.

Every command gets a session of its own. What Ray forks from a raylet stays in that session, also when the
raylet is killed and its workers become orphans, so a session says which node a process belongs to.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

# Not work: what a node keeps ready, and what looks after it.
_RESIDENT = (
    "ray::IDLE",
    "ray::DashboardAgent",
    "ray::RuntimeEnvAgent",
    "ray::_AutoscalingCoordinatorActor",  # detached: Ray Train starts it once in a cluster's life
)
_LOOK_S = 0.2


class Command:
    """A command in a session of its own, its output in a file.

    Args:
        words: Program and arguments.
        environment: Whole environment of the process.
        folder: Working directory.
        log: File that gets the output, behind what it holds.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> None:
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                words,
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def session(self) -> int:
        """Session that all processes of the command share."""
        return self.process.pid

    @property
    def code(self) -> int | None:
        """Exit code; ``None`` while it runs."""
        return self.process.poll()

    def members(self) -> list[psutil.Process]:
        """Live processes of the session."""
        return [process for process in psutil.process_iter() if _alive_in(process, self.session)]

    def kill(self) -> None:
        """End all processes of the session at once."""
        while members := self.members():
            for process in members:
                kill(process)
            self.process.poll()
            time.sleep(_LOOK_S)
        self.process.wait()

    def end(self, *, patience_s: float = 20.0) -> None:
        """Ask the command to end; what is left of its session after a while is killed."""
        if self.code is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(patience_s)
        self.kill()


def kill(process: psutil.Process) -> None:
    """``kill -9`` of one process."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)


def title(process: psutil.Process) -> str:
    """What ``ps`` shows: ``ray::...`` for a worker at work."""
    try:
        return " ".join(process.cmdline()).strip()
    except psutil.Error:
        return ""


def titled(members: Sequence[psutil.Process], *beginnings: str) -> list[psutil.Process]:
    """Those whose title begins so, by age."""
    found = [process for process in members if title(process).startswith(beginnings)]
    return sorted(found, key=lambda process: process.pid)


def at_work(members: Sequence[psutil.Process]) -> list[str]:
    """Titles of Ray workers that execute or hold something."""
    return [
        name
        for process in members
        if (name := title(process)).startswith("ray::") and not name.startswith(_RESIDENT)
    ]


def wait_until(condition: Callable[[], bool], what: str, *, patience_s: float) -> float:
    """Seconds until a condition held.

    Raises:
        TimeoutError: If it did not.
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > patience_s:
            raise TimeoutError(f"{what}: not within {patience_s:g} s")
        time.sleep(_LOOK_S)
    return time.monotonic() - began


def _alive_in(process: psutil.Process, session: int) -> bool:
    try:
        return os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ProcessLookupError, PermissionError):
        return False
