"""Flags: marks by which one process tells all others something, for instance that a run is to stop."""

from pathlib import Path
from typing import Protocol

from dymu.artifacts.files import disk_errors


class Flag(Protocol):
    """A mark that all nodes see. Errors of the storage are :class:`~dymu.errors.StoreError`."""

    def raise_(self) -> None:
        """Set the mark; nothing happens if it is set."""

    def raised(self) -> bool:
        """Whether the mark is set."""

    def lower(self) -> None:
        """Take the mark away; nothing happens if it is not set."""


class FileFlag:
    """A flag that is an empty file on a disk that all processes see.

    Args:
        file: The file; its folder is made when the flag is raised.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def raise_(self) -> None:
        """Set the mark."""
        with disk_errors(self._file, doing="write"):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.touch()

    def raised(self) -> bool:
        """Whether the mark is set."""
        with disk_errors(self._file, doing="read"):
            return self._file.exists()

    def lower(self) -> None:
        """Take the mark away."""
        with disk_errors(self._file, doing="remove"):
            self._file.unlink(missing_ok=True)
