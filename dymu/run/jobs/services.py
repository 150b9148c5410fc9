"""Servers on this machine that outlive the command that started them, and are ended by what was written down.

A server gets a session of its own and a mark in its environment. A process counts as one of its own if it
lies in that session or carries that mark; its name does not matter. Sessions are named by process ids, which
are used again, so the time when the server was started counts as well.
"""

import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from dymu.errors import BackendError

MARK = "DYMU_CLUSTER_MARK"
HOST = "127.0.0.1"
_LOOK_S = 0.2
_END_S = 20.0
_LAST_LINES = 15
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}
_PAST_S = 1.0  # clocks of processes are read with some rounding


@dataclass(frozen=True, kw_only=True)
class Service:
    """A server that was started.

    Attributes:
        name: What people call it.
        pid: Its first process, which leads its session.
        started: When that process was made, seconds since 1970.
        mark: Value of :data:`MARK` in its environment, which all that it starts inherits.
        log: File with its output.
        gentle: Signal on which it ends in an orderly way.
    """

    name: str
    pid: int
    started: float
    mark: str
    log: str
    gentle: int = signal.SIGTERM

    @property
    def alive(self) -> bool:
        """Whether its first process is there."""
        return self.leader() is not None

    def leader(self) -> psutil.Process | None:
        """Its first process, unless that ended."""
        process = self._first()
        with suppress(psutil.Error):
            if process is not None and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def members(self) -> list[psutil.Process]:
        """All its processes, also those that outlived the first."""
        session = self._session()
        return [process for process in psutil.process_iter() if self._has(process, session)]

    def owns(self, process: psutil.Process) -> bool:
        """Whether a process is one of its own."""
        return self._has(process, self._session())

    def form(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    def _first(self) -> psutil.Process | None:
        """The same; also while it has ended and whoever started it has not taken note."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started) <= _PAST_S:
                return process
        return None

    def _session(self) -> int | None:
        # An id is not given away again while a session bears it. So if a later process has it, the session is
        # another one, or none of ours is left in it.
        return self.pid if self._first() is not None or not psutil.pid_exists(self.pid) else None

    def _has(self, process: psutil.Process, session: int | None) -> bool:
        try:
            if process.create_time() < self.started - _PAST_S or process.status() == psutil.STATUS_ZOMBIE:
                return False
            if os.getsid(process.pid) == session:
                return True
            return process.environ().get(MARK) == self.mark
        except (psutil.Error, OSError):
            return False  # it has ended meanwhile, or belongs to somebody else


def start(
    name: str,
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    user: str | None = None,
    gentle: int = signal.SIGTERM,
) -> Service:
    """Start a server; returns at once.

    Args:
        name: What people call it.
        words: Program and arguments.
        environment: Its whole environment.
        log: File for its output, added at its end.
        user: Whose process it is to be, where that is not the user of this one.
        gentle: Signal on which it ends in an orderly way.

    Raises:
        BackendError: If the program cannot be started.
    """
    mark = uuid.uuid4().hex
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                list(words),
                env={**environment, MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=log.parent,
                start_new_session=True,
                user=user,
                group=user and _group(user),
                extra_groups=[] if user else None,
            )
        started = psutil.Process(process.pid).create_time()
    except (OSError, psutil.Error) as error:
        raise BackendError(f"{name} cannot be started with {words[0]}: {error}.") from error
    _CHILDREN[process.pid] = process
    return Service(name=name, pid=process.pid, started=started, mark=mark, log=str(log), gentle=int(gentle))


def wait_for(service: Service, ready: Callable[[], bool], *, patience_s: float) -> None:
    """Return when a server is ready.

    Raises:
        BackendError: If it ended, or was not ready in time; with the last lines of its log.
    """
    until = time.monotonic() + patience_s
    while not ready():
        if not service.alive:
            raise BackendError(f"{service.name} ended at its start.{_tail(Path(service.log))}")
        if time.monotonic() > until:
            raise BackendError(
                f"{service.name} was not ready after {patience_s:g} s.{_tail(Path(service.log))}"
            )
        time.sleep(_LOOK_S)


def end(services: Iterable[Service], *, patience_s: float = _END_S) -> list[str]:
    """End servers in the given order, and whatever they left behind.

    Returns:
        A line on each: how it ended, or that it was gone.
    """
    return [_end(service, patience_s) for service in services]


def answers(port: int, host: str = HOST) -> bool:
    """Whether somebody listens on a port of this machine."""
    with suppress(OSError), socket.create_connection((host, port), timeout=1.0):
        return True
    return False


def free_ports(wanted: Mapping[str, int]) -> dict[str, int]:
    """Ports that nobody uses on any interface: the wanted ones where they are free, others elsewhere."""
    found: dict[str, int] = {}
    for name, port in wanted.items():
        with socket.socket() as probe:
            if port in found.values() or not _binds(probe, port):
                probe.bind(("", 0))
            found[name] = int(probe.getsockname()[1])
    return found


def _binds(probe: socket.socket, port: int) -> bool:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("", port))
    except OSError:
        return False
    return True


def _end(service: Service, patience_s: float) -> str:
    leader, members = service.leader(), service.members()
    if leader is None and not members:
        _reap(service.pid)
        return f"{service.name}: was not running"
    count = len(members)
    if leader is not None:
        with suppress(psutil.Error):
            leader.send_signal(service.gentle)
    until = time.monotonic() + patience_s
    while leader is not None and service.alive and time.monotonic() < until:
        _reap(service.pid)
        time.sleep(_LOOK_S)
    forced = len(set(_kill_rest(service)))  # a process that has not ended yet is killed again
    child = _CHILDREN.pop(service.pid, None)
    if child is not None:
        child.wait()
    how = "ended" if leader is not None else "had lost its first process"
    rest = f", {forced} had to be killed" if forced else ""
    return f"{service.name}: {how}, {count} processes{rest}"


def _kill_rest(service: Service) -> Iterator[int]:
    while members := service.members():
        for process in members:
            with suppress(psutil.Error):
                process.kill()
                yield process.pid
        _reap(service.pid)
        time.sleep(_LOOK_S)


def _reap(pid: int) -> None:
    """Take note of the end of a process, if this process started it."""
    child = _CHILDREN.get(pid)
    if child is not None and child.poll() is not None:
        del _CHILDREN[pid]


def _group(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
    except OSError:
        lines = []
    return "".join(f"\n    {line}" for line in lines) + f"\n  Its log: {log}"
