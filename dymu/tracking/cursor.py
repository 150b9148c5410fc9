"""How far a study was told to its tracking server: one JSON file per manifest.

The server itself says how far it was told, and a writer asks it when it connects. The file saves that
question when there is nothing to tell, so it may be lost, old, or of another node.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

CURSOR_FORMAT = 2


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
    """

    run_id: str
    started_ms: int
    status: str = "RUNNING"
    told: dict[str, int] = field(default_factory=dict)
    params: list[str] = field(default_factory=list)
    complete: list[str] = field(default_factory=list)


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
        runs = {key: RunCursor(**run) for key, run in form.pop("runs").items()}
        return Cursor(parent=RunCursor(**parent) if parent else None, runs=runs, **form)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Cursor(uri=uri)
