"""Reads a metrics file as it grows."""

import os
from pathlib import Path

from pydantic_core import from_json

from dymu.errors import TrackingError

Line = tuple[int, dict[str, float]]


class Tail:
    """The whole lines that appeared since the last look.

    A file that was replaced (a resumed step rewinds its metrics) or became shorter is read again from its
    beginning; who needs each step once compares step numbers.

    Attributes:
        path: The metrics file; need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._inode = -1
        self._offset = 0

    def read(self) -> list[Line]:
        """Steps with their metrics, in the order of the file.

        Raises:
            TrackingError: If a whole line is not ``{"step": ..., "metrics": {...}}``.
        """
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._offset:
                    self._inode, self._offset = status.st_ino, 0
                if status.st_size == self._offset:
                    return []
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        return parse_lines(whole, where=str(self.path))


def parse_lines(content: bytes, *, where: str) -> list[Line]:
    """Steps with their metrics, in the order of a metrics file.

    Raises:
        TrackingError: If a line is not ``{"step": ..., "metrics": {...}}``.
    """
    return [_parse(line, where) for line in content.splitlines()]


def _parse(line: bytes, where: str) -> Line:
    try:
        form = from_json(line)
        return int(form["step"]), {str(key): float(value) for key, value in form["metrics"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrackingError(
            f"{where} holds a line that is not a metrics line: {line[:80]!r} ({error}). "
            "Delete the line to go on."
        ) from error
