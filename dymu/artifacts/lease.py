"""Leases: one process works on a step, the others wait or do something else.

A lease saves work, it does not guard results: publication is safe without one (first wins). It is a file
lock, so the death of its holder frees it at once.
"""

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from dymu.artifacts.files import NOT_WRITABLE, disk_errors, write_whole
from dymu.errors import StoreError

_POLL_S = 0.1
# A look at the holder takes the lock for an instant; an attempt lasts longer than that.
_ATTEMPT_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a lease, for display only.

    Attributes:
        pid: Process, ``None`` if it has not said.
        host: Name of its machine.
        since: Start of the lease, seconds since 1970.
    """

    pid: int | None = None
    host: str = ""
    since: float = 0.0

    @property
    def text(self) -> str:
        """For instance ``process 4711 on node3, since 12:30:05``."""
        if self.pid is None:
            return "a process that has not given its name"
        started = time.strftime("%H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} on {self.host}, since {started}"


class Lease:
    """The right to work on one step; a context manager that waits for it.

    Args:
        file: Lock file; its folder is made when the lease is first taken.
        address: Address of the step, for messages.
        read_only: Refuse to take the lease; who holds it can still be asked.
    """

    def __init__(self, file: Path, *, address: str, read_only: bool = False) -> None:
        self.address = address
        self._file = file
        self._note = file.with_suffix(".json")
        self._read_only = read_only
        # A lease taken in one thread may be given back in another.
        self._lock = FileLock(file, thread_local=False)

    @property
    def held(self) -> bool:
        """Whether this object holds the lease."""
        return self._lock.is_locked

    def try_acquire(self, *, announce: bool = True) -> bool:
        """Take the lease if it is free; does not wait.

        Args:
            announce: Write down who holds it. Only what must work on a full disk leaves that out.

        Raises:
            StoreError: If the store cannot be written.
        """
        assert not self.held, f"this lease of {self.address} is held already"
        if self._read_only:
            raise StoreError(f"cannot lease {self.address}: the store was opened for reading only.")
        with disk_errors(self._file, doing="lock"):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=_ATTEMPT_S, poll_interval=_ATTEMPT_S / 10)
            except Timeout:
                return False
            try:
                self._note.unlink(missing_ok=True)
                if announce:
                    me = Holder(pid=os.getpid(), host=platform.node(), since=time.time())
                    write_whole(self._note, json.dumps(asdict(me)), flush=False)
            except OSError:
                self._lock.release()
                raise
        return True

    def acquire(
        self, *, timeout: float | None = None, on_wait: Callable[[Holder], None] | None = None
    ) -> None:
        """Take the lease, waiting until it is free.

        Args:
            timeout: Longest wait in seconds; ``None`` waits for ever.
            on_wait: Told once about each holder that is waited for.

        Raises:
            StoreError: If the wait was too long (names the holder), or the store cannot be written.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        told: Holder | None = None
        while not self.try_acquire():
            holder = self.holder()
            if on_wait is not None and holder is not None and holder.pid is not None and holder != told:
                told = holder
                on_wait(holder)
            if deadline is not None and time.monotonic() >= deadline:
                who = "another process" if holder is None else holder.text
                raise StoreError(
                    f"{self.address} was still held by {who} after {timeout:g} s. "
                    "Wait for it, or stop it: its lease is freed at once and its checkpoint is kept."
                )
            time.sleep(_POLL_S)

    def release(self) -> None:
        """Give the lease back; nothing happens if it is not held."""
        if not self.held:
            return
        try:
            with disk_errors(self._note, doing="remove"):
                self._note.unlink(missing_ok=True)
        finally:
            self._lock.release()

    def holder(self) -> Holder | None:
        """Who holds the lease now, in this process or another; ``None`` if it is free.

        Where the lock file may not be opened (another user's store), this is what the last holder wrote.
        """
        if self.held:
            return self._noted()
        if not self._file.exists():
            return None
        probe = FileLock(self._file, thread_local=False)
        try:
            probe.acquire(blocking=False)
        except Timeout:
            return self._noted()
        except OSError as error:
            if error.errno in NOT_WRITABLE:
                return self._noted() if self._note.exists() else None
            with disk_errors(self._file, doing="lock"):
                raise
        probe.release()
        return None

    def _noted(self) -> Holder:
        try:
            return Holder(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            # The holder is about to write the note, or has just removed it.
            return Holder()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
