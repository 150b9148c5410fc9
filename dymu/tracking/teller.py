"""Turns news into runs, params, metrics and tags of a tracking server."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.store import Store
from dymu.tracking.cursor import Cursor, RunCursor
from dymu.tracking.naming import metric_keys
from dymu.tracking.news import EVALUATE, Cell, News, cells_of
from dymu.tracking.summary import summarise, summary_keys
from dymu.tracking.tags import (
    KEY_TAG,
    MANIFEST_TAG,
    ROLE_TAG,
    arm_tags,
    cell_tags,
    origin_tags,
    parent_tags,
)
from dymu.tracking.tail import Line

MAX_BATCH = 1000  # metrics in one request, MLflow's limit
RUNNING, FINISHED, FAILED, KILLED = "RUNNING", "FINISHED", "FAILED", "KILLED"

Failed = Mapping[tuple[str, int], str]
"""(Arm, seed) to what went wrong."""


@dataclass(kw_only=True)
class KnownRun:
    """A run that the server has."""

    run_id: str
    started_ms: int
    status: str
    tags: Mapping[str, str] = field(default_factory=dict)


class Server(Protocol):
    """What a teller needs of a tracking server; all calls may raise whatever the server's client raises."""

    def search(self, experiment_id: str, tag: str, value: str) -> list[KnownRun]:
        """Runs with a tag that are not deleted."""

    def create(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> KnownRun:
        """A running run."""

    def delete(self, run_id: str) -> None:
        """Take a run away."""

    def set_status(self, run_id: str, status: str) -> None:
        """Open or close a run."""

    def steps(self, run_id: str, metric: str) -> set[int]:
        """Steps at which a metric was told."""

    def metrics(self, run_id: str, metrics: Sequence[tuple[str, float, int, int]]) -> None:
        """Log at most 1000 of (key, value, time in ms, step), all or none."""

    def params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Log params; one that is there already must have the same value."""

    def tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags."""

    def form(self, run_id: str, form: Mapping[str, Any], name: str) -> None:
        """Keep a JSON value as a file of the run."""

    def file(self, run_id: str, path: Path, folder: str) -> None:
        """Keep a file of the run."""


class Teller:
    """Tells one manifest to a server that answers.

    Args:
        server: The server.
        store: Where results are.
        manifest: What is told.
        cursor: How far it was told; kept up to date here.
        save: Called when the cursor must reach the disk.
    """

    def __init__(
        self,
        server: Server,
        *,
        store: Store,
        manifest: Manifest,
        cursor: Cursor,
        save: Callable[[Cursor], None],
    ) -> None:
        self._server = server
        self._store = store
        self._manifest = manifest
        self._cursor = cursor
        self._save = save
        runs = server.search(cursor.experiment_id, MANIFEST_TAG, manifest.name)
        self._known = {run.tags[KEY_TAG]: run for run in runs if KEY_TAG in run.tags}
        self._forget_deleted_runs()
        for run in cursor.runs.values():
            self._settle(run)
        self._parent = cursor.parent = self._open_parent()
        save(cursor)

    def tell(self, news: Sequence[News]) -> None:
        """Tell news, cell by cell."""
        for item in news:
            run = self._cursor.runs.get(item.cell.key) or self._open(item.cell)
            if run.status != RUNNING:
                self._set_status(run, RUNNING)
            params = {key: text for stage in item.params.values() for key, text in stage.items()}
            if params:
                self._server.params(run.run_id, params)
                run.params += item.params
            for stage, lines in item.lines.items():
                self._tell_lines(run, stage, lines)
            if item.record is not None:
                self._tell_values(run, {name: value.value for name, value in item.record.values.items()})
                self._server.form(run.run_id, item.record.config, "config.json")
                self._server.tags(run.run_id, origin_tags(item.provenance))
                self._set_status(run, FINISHED)
            run.complete += item.complete

    def close(self, failed: Failed, files: Mapping[Path, str]) -> None:
        """Close all runs; ``files`` are paths to digests of what the parent keeps."""
        states = states_of(self._manifest, self._cursor, failed)
        for cell in cells_of(self._manifest):
            state = states[cell.key]
            run = self._cursor.runs.get(cell.key)
            if run is None and state == FAILED:
                run = self._open(cell)
            if run is not None and run.status != state:
                if state == FAILED:
                    self._server.tags(run.run_id, {"dymu.error": failed[cell.arm, cell.seed]})
                self._set_status(run, state)
        self._close_stale_runs(set(states))
        self._tell_summaries()
        for path, digest in files.items():
            if self._cursor.artifacts.get(path.name) != digest:
                folder = "figures" if path.suffix in (".svg", ".pdf", ".png") else "tables"
                self._server.file(self._parent.run_id, path, folder)
                self._cursor.artifacts[path.name] = digest
        self._set_status(self._parent, _worst(states.values()))

    # --- metrics -------------------------------------------------------------------------------------------

    def _tell_lines(self, run: RunCursor, stage: str, lines: Sequence[Line]) -> None:
        keys = metric_keys({f"{stage}/{name}" for _, metrics in lines for name in metrics})
        for batch in batches(lines):
            metrics = [
                (keys[f"{stage}/{name}"], value, run.started_ms + step, step)
                for step, values in batch
                for name, value in values.items()
            ]
            if metrics:
                run.sending = (stage, metrics[-1][0], metrics[-1][3])
                self._save(self._cursor)
                self._server.metrics(run.run_id, metrics)
            run.told[stage], run.sending = batch[-1][0], None

    def _tell_values(self, run: RunCursor, values: Mapping[str, float]) -> None:
        keys = metric_keys(values)
        metrics = [(keys[name], value, run.started_ms, 0) for name, value in values.items()]
        for start in range(0, len(metrics), MAX_BATCH):
            self._server.metrics(run.run_id, metrics[start : start + MAX_BATCH])

    def _settle(self, run: RunCursor) -> None:
        """Find out whether the batch arrived that was on its way when the last attempt stopped."""
        if run.sending is not None:
            stage, metric, step = run.sending
            if step in self._server.steps(run.run_id, metric):
                run.told[stage] = step
            run.sending = None

    # --- runs ----------------------------------------------------------------------------------------------

    def _forget_deleted_runs(self) -> None:
        # A user may delete runs in the page; what is told again gets a run again.
        cursor, alive = self._cursor, {run.run_id for run in self._known.values()}
        cursor.runs = {key: run for key, run in cursor.runs.items() if run.run_id in alive}
        if cursor.parent is not None and cursor.parent.run_id not in alive:
            cursor.parent, cursor.artifacts = None, {}

    def _open_parent(self) -> RunCursor:
        name = self._manifest.name
        parent = self._cursor.parent or self._find_or_create(name, name, parent_tags(self._manifest))
        if parent.status != RUNNING:
            self._set_status(parent, RUNNING)
        return parent

    def _open(self, cell: Cell) -> RunCursor:
        tags = {**self._arm_tags(self._arm(cell.arm), "seed"), **cell_tags(cell)}
        run = self._find_or_create(cell.key, f"{cell.arm} s{cell.seed}", tags)
        self._server.params(run.run_id, {"arm": cell.arm, "seed": str(cell.seed)})
        self._cursor.runs[cell.key] = run
        return run

    def _find_or_create(self, key: str, name: str, tags: Mapping[str, str]) -> RunCursor:
        known = self._known.get(key)
        if known is None:
            known = self._server.create(self._cursor.experiment_id, name, {KEY_TAG: key, **tags})
            self._known[key] = known
        return RunCursor(run_id=known.run_id, started_ms=known.started_ms, status=known.status)

    def _set_status(self, run: RunCursor, status: str) -> None:
        self._server.set_status(run.run_id, status)
        run.status = status

    def _close_stale_runs(self, current: set[str]) -> None:
        """Close what an earlier version of this manifest left open."""
        for key, run in self._known.items():
            if run.tags.get(ROLE_TAG) == "seed" and key not in current and run.status == RUNNING:
                self._server.set_status(run.run_id, KILLED)

    def _tell_summaries(self) -> None:
        """Means over seeds; a mean over another set of seeds is taken away."""
        keys = summary_keys(self._store, self._manifest)
        for key, run in self._known.items():
            if run.tags.get(ROLE_TAG) == "summary" and key not in keys.values():
                self._server.delete(run.run_id)
        for name, key in keys.items():
            if self._cursor.summaries.get(name) != key:
                summary = summarise(self._store, self._arm(name), key)
                mean = self._find_or_create(key, f"{name} mean", self._arm_tags(summary.arm, "summary"))
                seeds = " ".join(str(seed) for seed in summary.seeds)
                self._server.params(mean.run_id, {"arm": name, "seeds": seeds})
                self._tell_values(mean, summary.values)
                self._set_status(mean, FINISHED)
        self._cursor.summaries = keys

    def _arm(self, name: str) -> ManifestArm:
        return next(arm for arm in self._manifest.arms if arm.name == name)

    def _arm_tags(self, arm: ManifestArm, role: str) -> dict[str, str]:
        return arm_tags(self._manifest, arm, role=role, parent_id=self._parent.run_id)


def open_ends(
    store: Store, manifest: Manifest, cursor: Cursor, *, failed: Failed, files: Mapping[Path, str]
) -> bool:
    """Whether :meth:`Teller.close` would have anything to say, as far as the cursor knows."""
    if cursor.parent is None:
        return bool(failed or files)
    states = states_of(manifest, cursor, failed)
    told = {key: run.status for key, run in cursor.runs.items()}
    return (
        cursor.parent.status != _worst(states.values())
        or any(told.get(key, KILLED) != state for key, state in states.items())
        or cursor.summaries != summary_keys(store, manifest)
        or any(cursor.artifacts.get(path.name) != digest for path, digest in files.items())
    )


def states_of(manifest: Manifest, cursor: Cursor, failed: Failed) -> dict[str, str]:
    """How the run of each cell ends: finished with a record, failed, or killed."""
    states = {}
    for cell in cells_of(manifest):
        run = cursor.runs.get(cell.key)
        if run is not None and EVALUATE in run.complete:
            states[cell.key] = FINISHED
        else:
            states[cell.key] = FAILED if (cell.arm, cell.seed) in failed else KILLED
    return states


def batches(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Portions of whole lines with at most 1000 metrics, so that a line arrives whole or not at all."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        if batch and size + len(line[1]) > MAX_BATCH:
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line[1])
    if batch:
        yield batch


def _worst(states: Iterable[str]) -> str:
    found = set(states)
    return next((state for state in (FAILED, KILLED) if state in found), FINISHED)
