"""Watches a study through its store, as anybody could: no part of dymu is asked and none is changed."""

import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_LOOK_S = 0.1
TRAINED = ("anchor", "edge", "weight")


@dataclass(frozen=True, kw_only=True)
class Sight:
    """A training step that was seen to be done.

    Attributes:
        at: Time of this machine's monotonic clock.
        address: Of the step.
        step: Training steps done.
        pid: Process that said so.
    """

    at: float
    address: str
    step: int
    pid: int

    @property
    def stage(self) -> str:
        """Stage of the address."""
        return self.address.partition("/")[0]


class Watcher:
    """Keeps all sights of a store while a ``with`` block runs.

    Attributes:
        sights: In the order in which they were made.
        attempts: Address to the account that its training keeps of attempts at it.

    Args:
        store: Folder of the store.
        steps: Training steps of each trained stage.
    """

    def __init__(self, store: Path, *, steps: int) -> None:
        self.sights: list[Sight] = []
        self.attempts: dict[str, list[dict[str, Any]]] = {}
        self._store = store
        self._steps = steps
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def published(self) -> set[str]:
        """Stages with an artifact."""
        return {path.parents[1].name for path in self._store.glob("artifacts/*/*/DONE.json")}

    @property
    def position(self) -> float:
        """Share of all training steps that are done."""
        done = self.published
        last = self.last
        steps = sum(self._steps for stage in TRAINED if stage in done)
        running = last.step if last is not None and last.stage not in done else 0
        return (steps + running) / (self._steps * len(TRAINED))

    @property
    def last(self) -> Sight | None:
        """The latest sight."""
        return self.sights[-1] if self.sights else None

    @property
    def where(self) -> str:
        """Stage and step that the study is at."""
        last, done = self.last, self.published
        if last is None:
            return "start"
        if last.stage in done:
            return f"after {last.stage}"
        return f"{last.stage} {last.step}/{self._steps}"

    def after(self, moment: float, *, but: int | None = None) -> Sight | None:
        """The first sight later than a moment, by another process than ``but``."""
        return next((sight for sight in tuple(self.sights) if sight.at > moment and sight.pid != but), None)

    def redone(self, moment: float, seen: Sight) -> int:
        """Training steps that had been done before a moment and were done again, by the step's own account.

        A stage that was left behind unfinished because something else had to be trained again counts later.
        """
        before = [sight for sight in tuple(self.sights) if sight.at <= moment]
        if not before or before[-1].pid == seen.pid:
            return 0
        account = self.attempts.get(seen.address, [])
        return int(account[-1]["redone"]) if account else 0

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_S):
            with suppress(OSError):  # a folder that vanishes meanwhile
                for progress in self._store.glob("work/*/*/progress.json"):
                    self._note(progress)

    def _note(self, path: Path) -> None:
        form = _read(path)
        if form is None or not form["total"] or not form["step"]:
            return
        address = f"{path.parents[1].name}/{path.parent.name}"
        told = (address, int(form["step"]), int(form["pid"]))
        if all((sight.address, sight.step, sight.pid) != told for sight in self.sights[-8:]):
            self._note_attempts(address, path.with_name("attempts.jsonl"))
            self.sights.append(Sight(at=time.monotonic(), address=address, step=told[1], pid=told[2]))

    def _note_attempts(self, address: str, path: Path) -> None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        except OSError:
            return  # the step has just been published
        self.attempts[address] = [json.loads(line) for line in lines if line.endswith("\n")]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None  # it is being replaced, or the step has just been published
