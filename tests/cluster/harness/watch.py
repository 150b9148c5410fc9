"""Watches a study through its store, as anybody could: no part of dymu is asked and none is changed."""

import json
import threading
import time
from collections.abc import Callable, Sequence
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
        stage: Of the step.
        step: Training steps done.
        pid: Process that said so.
    """

    at: float
    stage: str
    step: int
    pid: int


class Watcher:
    """Keeps all sights of a store while a ``with`` block runs.

    Args:
        store: Folder of the store.
        steps: Training steps of each trained stage.
    """

    def __init__(self, store: Path, *, steps: int) -> None:
        self.sights: list[Sight] = []
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
        """Training steps of a stage that had been seen done before a moment and were done again.

        Progress is told twice a second, so this counts too few by up to half a second's steps; metrics lines,
        which are read too, come every hundredth of a stage.
        """
        before = [s.step for s in tuple(self.sights) if s.at <= moment and s.stage == seen.stage]
        return max(0, max(before, default=0) - (seen.step - 1))

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_S):
            for progress in self._store.glob("work/*/*/progress.json"):
                self._note(progress)

    def _note(self, path: Path) -> None:
        form = _read(path)
        if form is None or not form["total"] or not form["step"]:
            return
        stage = path.parents[1].name
        logged = _last_line(path.with_name("metrics.jsonl"))
        step = max(int(form["step"]), logged) if self._same(stage, form["pid"]) else int(form["step"])
        told = (stage, step, int(form["pid"]))
        if all((s.stage, s.step, s.pid) != told for s in self.sights[-8:]):
            self.sights.append(Sight(at=time.monotonic(), stage=stage, step=step, pid=told[2]))

    def _same(self, stage: str, pid: int) -> bool:
        last = self.last
        return last is not None and last.stage == stage and last.pid == pid


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None  # it is being replaced, or the step has just been published


def _last_line(path: Path) -> int:
    try:
        lines = path.read_bytes().rpartition(b"\n")[0].splitlines()
        return int(json.loads(lines[-1])["step"]) + 1 if lines else 0
    except (OSError, ValueError):
        return 0


def any_of(conditions: Sequence[Callable[[], bool]]) -> Callable[[], bool]:
    """Whether one of several conditions holds."""
    return lambda: any(condition() for condition in conditions)
