"""A register: one short text that several processes replace by compare-and-swap."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from dymu.artifacts.files import disk_errors, write_whole

# Critical sections last well below a millisecond; only who removes an artifact takes longer.
_PATIENCE_S = 0.25
_POLL_S = 0.01


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a register held when it was read.

    Attributes:
        text: Content; empty if the register is free.
        version: What the storage calls this content, where it has a name for it.
    """

    text: str = ""
    version: Any = None


class Register(Protocol):
    """One text. Errors of the storage are :class:`~dymu.errors.StoreError`."""

    def read(self) -> Entry:
        """The present content."""

    def swap(self, expected: Entry, text: str) -> Entry | None:
        """Replace the content if it is still as expected; an empty text frees the register.

        ``None`` if it is not as expected, or if somebody else is replacing it at this moment.
        """


class FileRegister:
    """A register that is a file on a disk that all processes see.

    Args:
        file: The file; its folder is made when something is first written. Beside it lies a lock file that
            is locked while the two are compared and replaced.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> Entry:
        """The present content; takes no lock, as files are replaced whole."""
        with disk_errors(self._file, doing="read"):
            try:
                return Entry(text=self._file.read_text(encoding="utf-8"))
            except (FileNotFoundError, NotADirectoryError):
                return Entry()

    def swap(self, expected: Entry, text: str) -> Entry | None:
        """Replace the content if it is still as expected."""
        with self.locked() as mine:
            if not mine or self.read() != expected:
                return None
            with disk_errors(self._file, doing="write"):
                if text:
                    # A lease that a power cut takes back was held by a process that the power cut ended.
                    write_whole(self._file, text, flush=False)
                else:
                    self._file.unlink(missing_ok=True)
        return Entry(text=text)

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Keep everybody from replacing the content; yields false if somebody else is at it for long.

        Needs no space but that of an empty file.
        """
        lock = FileLock(self._file.with_suffix(".lock"), thread_local=False)
        with disk_errors(self._file, doing="lock"):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with suppress(Timeout):
                lock.acquire(timeout=_PATIENCE_S, poll_interval=_POLL_S)
        try:
            yield lock.is_locked
        finally:
            lock.release()
