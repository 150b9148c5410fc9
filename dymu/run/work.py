"""What a step leaves in its work folder, for those who look from outside: progress, errors, log."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dymu.artifacts.store import Store
from dymu.tracking.spool import PROGRESS

ERROR = "error.json"
LOG = "log.txt"
SPENT = "spent.json"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a step did not finish.

    Attributes:
        address: The step.
        kind: Name of the exception.
        message: What it said.
        step: Training step that was reached; ``None`` if the stage has told none.
        log: File with the whole story; empty if none could be written.
    """

    address: str
    kind: str
    message: str
    step: int | None
    log: str

    @property
    def text(self) -> str:
        """One paragraph: where, what, and where to read on."""
        reached = f" at step {self.step}" if self.step is not None else ""
        more = f"\n  log: {self.log}" if self.log else ""
        return f"{self.address} failed{reached}: {self.kind}: {self.message}{more}"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a step is.

    Attributes:
        state: ``running``, ``failed``, ``interrupted``, or ``waiting`` if it has told nothing.
        step: Training steps done.
        total: Training steps in all; 0 if the stage has told none.
        rate: Training steps a second.
    """

    state: str = "waiting"
    step: int = 0
    total: int = 0
    rate: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        """Time to the end of the step at the present rate."""
        if self.state != "running" or self.rate <= 0 or self.total == 0:
            return None
        return (self.total - self.step) / self.rate


def read_progress(store: Store, address: str) -> Progress:
    """How far a step is, by its own account."""
    form = read_json(store.look_work(address) / PROGRESS)
    if not form:
        return Progress()
    return Progress(state=form["state"], step=form["step"], total=form["total"], rate=form["rate"])


def read_failure(store: Store, address: str) -> Failure | None:
    """The error that the last attempt at a step left behind."""
    folder = store.look_work(address)
    form = read_json(folder / ERROR)
    if not form:
        return None
    return Failure(
        address=address, kind=form["type"], message=form["message"], step=form["step"], log=str(folder / LOG)
    )


def error_token(store: Store, address: str) -> str:
    """Token of the lease on whose behalf the last error was written; empty if there is none."""
    return str(read_json(store.work_dir(address, make=False) / ERROR).get("token", ""))


def read_json(path: Path) -> dict[str, Any]:
    """Content of a file that may not exist or, after a crash, be half written; then empty."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
