"""What a running step tells: a metrics file, a progress file and nothing else.

The spool lies in the step's work folder. The process that drives a study reads it; a step never talks to
a server. Metrics carry no times, so an interrupted and resumed step writes the same bytes as an
uninterrupted one.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from dymu.artifacts.files import disk_errors

METRICS = "metrics.jsonl"
PROGRESS = "progress.json"
_PROGRESS_INTERVAL_S = 0.5


class Spool:
    """Appends metrics and overwrites progress below one folder."""

    def __init__(self, folder: Path, *, address: str) -> None:
        self.folder = folder
        self.address = address
        self._started = time.time()
        self._first_step: int | None = None
        self._last_progress = 0.0

    @property
    def metrics_file(self) -> Path:
        """JSON lines ``{"step": int, "metrics": {name: float}}``, steps strictly increasing."""
        return self.folder / METRICS

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append the metrics of one step."""
        line = json.dumps({"step": step, "metrics": dict(metrics)}, sort_keys=True)
        with (
            disk_errors(self.metrics_file, doing="write"),
            self.metrics_file.open("a", encoding="utf-8") as file,
        ):
            file.write(line + "\n")

    def rewind(self, step: int) -> None:
        """Forget metrics of ``step`` and later, and a half-written last line: they will be told again."""
        if not self.metrics_file.exists():
            return
        lines = self.metrics_file.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] < step]
        partial = self.metrics_file.with_suffix(".part")
        with disk_errors(self.metrics_file, doing="write"):
            partial.write_text("".join(kept), encoding="utf-8")
            partial.replace(self.metrics_file)

    def progress(self, step: int, total: int, *, state: str = "running") -> None:
        """Say how far the step is; at most twice a second unless the state is not ``running``."""
        now = time.time()
        if self._first_step is None:
            self._first_step, self._started = step, now
        if state == "running" and step < total and now - self._last_progress < _PROGRESS_INTERVAL_S:
            return
        self._last_progress = now
        elapsed = now - self._started
        rate = (step - self._first_step) / elapsed if elapsed > 0 else 0.0
        text = json.dumps(
            {
                "address": self.address,
                "state": state,
                "step": step,
                "total": total,
                "rate": rate,
                "started_at": self._started,
                "updated_at": now,
                "pid": os.getpid(),
            }
        )
        partial = self.folder / (PROGRESS + f".{os.getpid()}")
        with disk_errors(self.folder / PROGRESS, doing="write"):
            partial.write_text(text, encoding="utf-8")
            partial.replace(self.folder / PROGRESS)
