"""How far a study was told to its tracking server: one JSON file per manifest.

Losing the file costs time and no correctness: runs are found again by their identity tag, and what is told
again falls on the same rows.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

CURSOR_FORMAT = 1


@dataclass(kw_only=True)
class RunCursor:
    """How far one run was told.

    Attributes:
        run_id: The server's name of the run.
        started_ms: Start of the run; metric times count from here, so that they never change.
        status: As last told.
        told: Stage to the last training step whose metrics are on the server.
        params: Stages whose config is on the server.
        complete: Stages of which everything is on the server.
        record: Whether the final values are on the server.
        sending: Stage, metric and step of a batch whose fate is unknown: ``None`` between batches.
    """

    run_id: str
    started_ms: int
    status: str = "RUNNING"
    told: dict[str, int] = field(default_factory=dict)
    params: list[str] = field(default_factory=list)
    complete: list[str] = field(default_factory=list)
    record: bool = False
    sending: tuple[str, str, int] | None = None


@dataclass(kw_only=True)
class Cursor:
    """How far a manifest was told.

    Attributes:
        uri: The server that this is about.
        experiment_id: Experiment of the study.
        parent: Run of the manifest.
        runs: Cell key to run.
        summaries: Arm to the key of its summary run.
        artifacts: File name to content digest of the parent's artifacts.
    """

    uri: str
    experiment_id: str = ""
    parent: RunCursor | None = None
    runs: dict[str, RunCursor] = field(default_factory=dict)
    summaries: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Replace the file as a whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps({"format": CURSOR_FORMAT, **asdict(self)}), encoding="utf-8")
        partial.replace(path)


def load_cursor(path: Path, uri: str) -> Cursor:
    """The cursor in ``path``; an empty one if it is absent, unreadable or about another server."""
    try:
        form = json.loads(path.read_text(encoding="utf-8"))
        if form.pop("format") != CURSOR_FORMAT or form["uri"] != uri:
            return Cursor(uri=uri)
        parent = form.pop("parent")
        runs = {key: _run(run) for key, run in form.pop("runs").items()}
        return Cursor(parent=_run(parent) if parent else None, runs=runs, **form)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Cursor(uri=uri)


def _run(form: dict[str, Any]) -> RunCursor:
    sending = form.pop("sending")
    return RunCursor(**form, sending=(str(sending[0]), str(sending[1]), int(sending[2])) if sending else None)
