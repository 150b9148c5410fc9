"""Sends what steps tell to a bucket while they run."""

import threading
import time
from collections.abc import Iterable
from pathlib import Path

from dymu.artifacts.remote_work import RemoteWork
from dymu.errors import StoreError


class Courier:
    """Sends the texts of work folders in the background, so that others see how far the steps are."""

    def __init__(self, period_s: float = 3.0) -> None:
        self._period_s = period_s
        self._works: dict[str, tuple[RemoteWork, Path]] = {}
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, address: str, work: RemoteWork, folder: Path) -> None:
        """Send this folder from now on."""
        with self._mutex:
            self._works[address] = (work, folder)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._carry, name="dymu work folders", daemon=True)
                self._thread.start()

    def end(self, address: str) -> None:
        """Send this folder no more."""
        with self._mutex:
            self._works.pop(address, None)

    def send(self, works: Iterable[tuple[RemoteWork, Path]]) -> None:
        """Send these folders now; what does not arrive is sent with the next call."""
        for work, folder in works:
            try:
                work.push(folder, texts_only=True)
            except StoreError:
                # Only for show: the files are sent again, and a storage that stays away is told by the next
                # checkpoint, which has to arrive.
                continue

    def _carry(self) -> None:
        while True:
            time.sleep(self._period_s)
            with self._mutex:
                works = [pair for pair in self._works.values() if not pair[0].superseded]
                if not works:
                    self._works.clear()
                    self._thread = None
                    return
            self.send(works)
