"""Who holds a lease: a process on a host, and whether it is known to be gone."""

import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_TICKS = 18  # position of the start time after the state, see proc(5)


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A lease as it is written down.

    Attributes:
        token: Name of this one taking of the lease; empty if it cannot be read.
        beat: Raised while the holder lives; that it moves is all that others judge by.
        beat_at: Time of the last beat by the holder's clock, seconds since 1970; a hint only.
        pid: Process, ``None`` if it has not said.
        host: Name of its machine.
        machine: Tells apart machines and containers of one name, and one machine before and after a boot.
        started: Start of the process as its machine counts; tells apart processes of one number.
        since: Start of the lease, seconds since 1970.
    """

    token: str = ""
    beat: int = 0
    beat_at: float = 0.0
    pid: int | None = None
    host: str = ""
    machine: str = ""
    started: float = 0.0
    since: float = 0.0

    @property
    def text(self) -> str:
        """For instance ``process 4711 on node3, since 12:30:05``."""
        if self.pid is None:
            return "a process that has not given its name"
        started = time.strftime("%H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} on {self.host}, since {started}"

    @property
    def is_here(self) -> bool:
        """Whether the process runs, or ran, where its end would be seen from here."""
        return self.pid is not None and (self.host, self.machine) == (platform.node(), _machine())

    @property
    def is_gone(self) -> bool:
        """Whether the process is known to have ended; of another machine nothing is known."""
        return self.is_here and self.pid is not None and _has_ended(self.pid, self.started)

    def dumps(self) -> str:
        """JSON text."""
        return json.dumps(asdict(self), sort_keys=True)


def this_process(token: str) -> Holder:
    """This process as the holder of a lease that it takes now."""
    now = time.time()
    return Holder(
        token=token,
        beat_at=now,
        pid=os.getpid(),
        host=platform.node(),
        machine=_machine(),
        started=_started(),
        since=now,
    )


def loads_holder(text: str) -> Holder:
    """Parse a lease; one that cannot be read has a holder without name."""
    try:
        form = json.loads(text)
        return Holder(**form)
    except (ValueError, TypeError):
        return Holder()


@cache
def _machine() -> str:
    # Containers may share a name and a kernel and still not see each other's processes.
    parts = []
    try:
        parts.append((_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str((_PROC / "self/ns/pid").readlink()))
    except OSError:
        parts.append("no /proc")  # elsewhere than on Linux a name is all there is
    return " ".join(parts)


def _has_ended(pid: int, started: float) -> bool:
    """Whether the process that started then has ended; a zombie has."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return not _exists(pid)  # another user's processes may be hidden
    # The name of the program, in parentheses, may hold anything.
    state, *rest = fields.rpartition(")")[2].split()
    return state in ("Z", "X") or float(rest[_TICKS]) != started


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _started() -> float:
    """When this process started, in ticks since the boot: unlike a date they do not move with the clock."""
    try:
        fields = (_PROC / "self/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0
    return float(fields.rpartition(")")[2].split()[1 + _TICKS])
