"""Something that is done again and again beside the work of a run."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Background:
    """Calls ``act`` every ``period_s`` seconds in a thread, while a ``with`` block runs, and once at its end.

    An error ends the calls and is raised at the end of the block, unless the block itself raised one.

    Attributes:
        cpu_seconds: What the thread has taken so far, as of its last call.
    """

    def __init__(self, act: Callable[[], None], *, period_s: float) -> None:
        self.cpu_seconds = 0.0
        self._act = act
        self._period_s = period_s
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"dymu-{act.__qualname__}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _run(self) -> None:
        try:
            last = False
            while not last:
                last = self._ended.wait(self._period_s)
                self._act()
                self.cpu_seconds = time.thread_time()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for this one
            self._error = error
