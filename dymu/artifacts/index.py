"""Which addresses a bucket has: asked one by one while few are asked for, else listed."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

TRUST_S = 30.0  # how long an artifact is believed to be there still
_FRESH_S = 2.0  # how long one that was not listed is believed to be absent
_FEW = 8  # addresses that are asked for one by one before a listing is made

Listing = Mapping[str, int]
"""Published addresses of a stage to the bytes that each takes."""


class Index:
    """Answers whether addresses are published.

    Args:
        ask: Whether one address is published: one request.
        list_stage: All published addresses of a stage with their bytes, and the number of requests that took.
    """

    def __init__(self, ask: Callable[[str], bool], list_stage: Callable[[str], tuple[Listing, int]]) -> None:
        self._ask = ask
        self._list_stage = list_stage
        self._known: dict[str, float] = {}  # published, to when that was seen
        self._stages: dict[str, _Stage] = {}
        self._mutex = threading.Lock()

    def has(self, address: str) -> bool:
        """Whether an address is published, as of at most some seconds ago."""
        now = time.monotonic()
        with self._mutex:
            if now - self._known.get(address, -TRUST_S) < TRUST_S:
                return True
            stage = self._stage(address)
            if now - stage.listed_at < _FRESH_S and address not in stage.doubted:
                return False
            stage.asked.append(now)
            if len(stage.asked) > _FEW + stage.requests and now - stage.asked[0] < _FRESH_S:
                self._list(address.partition("/")[0])
                return address in self._known
        found = self._ask(address)
        with self._mutex:
            if found:
                self._known[address] = time.monotonic()
            else:
                self._known.pop(address, None)
        return found

    def all(self, stage: str) -> Listing:
        """Everything that is published of a stage, listed now."""
        with self._mutex:
            return self._list(stage)

    def size(self, address: str) -> int | None:
        """Bytes of an artifact by the last listing; ``None`` if that is not recent or lacks it."""
        with self._mutex:
            stage = self._stage(address)
            recent = time.monotonic() - stage.listed_at < TRUST_S
            return stage.listing.get(address) if recent and address in self._known else None

    def doubt(self, address: str) -> None:
        """Ask the storage itself when this address is asked for next."""
        with self._mutex:
            self._known.pop(address, None)
            self._stage(address).doubted.add(address)

    def _stage(self, address: str) -> "_Stage":
        return self._stages.setdefault(address.partition("/")[0], _Stage())

    def _list(self, name: str) -> Listing:
        began = time.monotonic()
        listing, requests = self._list_stage(name)
        for address in [address for address in self._known if address.startswith(f"{name}/")]:
            del self._known[address]
        self._known.update(dict.fromkeys(listing, began))
        self._stages[name] = _Stage(listing=listing, listed_at=began, requests=requests)
        return listing


class _Stage:
    """What is known about a stage as a whole."""

    def __init__(
        self, *, listing: Listing | None = None, listed_at: float = float("-inf"), requests: int = 0
    ) -> None:
        self.listing = listing or {}
        self.listed_at = listed_at
        self.requests = requests
        self.doubted: set[str] = set()
        self.asked: deque[float] = deque(maxlen=_FEW + requests + 1)
