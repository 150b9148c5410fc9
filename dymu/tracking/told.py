"""What MLflow was told about a study, by the account in the store; asks no server."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from dymu.artifacts.store import Store
from dymu.tracking.cursor import load_cursor


@dataclass(frozen=True, kw_only=True)
class Told:
    """How far a study was told.

    Attributes:
        uri: The server, without account; empty if none was told.
        experiment_id: Its experiment there.
        run_id: The parent run there.
        runs: How many runs of arms and seeds are in each state.
    """

    uri: str = ""
    experiment_id: str = ""
    run_id: str = ""
    runs: Mapping[str, int] = field(default_factory=dict)


def told_to_mlflow(store: Store, study: str) -> Told:
    """The account of a study or question; an empty one if there is none here."""
    path = store.mlflow_dir / "cursors" / f"{study}.json"
    try:
        uri = str(json.loads(path.read_text(encoding="utf-8"))["uri"])
    except (OSError, ValueError, KeyError, TypeError):
        return Told()
    cursor = load_cursor(path, uri)
    return Told(
        uri=uri,
        experiment_id=cursor.experiment_id,
        run_id=cursor.parent.run_id if cursor.parent is not None else "",
        runs=dict(Counter(run.status for run in cursor.runs.values())),
    )
