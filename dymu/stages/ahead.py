"""Values of a function of numbers, made in a background thread before they are asked for."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")

# One batch being made and one that waits: a trainer that is slower than the thread never waits itself.
AHEAD = 2


class Ahead(Generic[T]):
    """What ``make`` gives for a number, while the next numbers are made already.

    The values are those of ``make`` whoever calls it, so it must depend on nothing that changes. What it
    raises is raised where the number is asked for. The thread ends with :meth:`close`.
    """

    def __init__(self, make: Callable[[int], T], depth: int = AHEAD) -> None:
        self._make = make
        self._depth = depth
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dymu-ahead")
        self._pending: dict[int, Future[T]] = {}

    def at(self, number: int) -> T:
        """The value for a number; numbers that are not asked for in order are made when they are."""
        asked = self._pending.pop(number, None)
        following = range(number + 1, number + 1 + self._depth)
        for stale in self._pending.keys() - set(following):
            self._pending.pop(stale).cancel()
        for later in following:
            if later not in self._pending:
                self._pending[later] = self._thread.submit(self._make, later)
        return self._make(number) if asked is None else asked.result()

    def close(self) -> None:
        """Drop what was made in vain, and return when the thread has ended."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._pending.clear()
