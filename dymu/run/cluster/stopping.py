"""Whether a run is to stop, as its processes on any node see it."""

import threading
from types import TracebackType
from typing import Self

from dymu.artifacts.flag import Flag
from dymu.errors import StoreError

LOOK_S = 0.5


class StopWatch:
    """Looks at a flag in a thread of its own, so that a storage far away delays no training step.

    Args:
        flag: Raised when the run is to stop.
    """

    def __init__(self, flag: Flag) -> None:
        self._flag = flag
        self._seen = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="dymu-stop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def requested(self) -> bool:
        """Whether the flag was seen."""
        return self._seen.is_set()

    def _look(self) -> None:
        while not self._ended.is_set() and not self._seen.is_set():
            try:
                if self._flag.raised():
                    self._seen.set()
            except StoreError:
                pass  # a storage that is away for a moment; training itself tells if it stays away
            self._ended.wait(LOOK_S)
