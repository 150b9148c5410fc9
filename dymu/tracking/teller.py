"""Turns news into runs, params, metrics and tags of a tracking server."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.store import Store
from dymu.tracking.cursor import Cursor, RunCursor
from dymu.tracking.naming import metric_keys, metric_prefix
from dymu.tracking.news import EVALUATE, Cell, News, cells_of
from dymu.tracking.parcels import Metric, Parcel, parcels
from dymu.tracking.saved_view import VIEW_TAG, saved_view, short_name, view_columns
from dymu.tracking.summary import summarise, summary_keys
from dymu.tracking.tags import (
    FILE_TAG,
    KEY_TAG,
    MANIFEST_TAG,
    NOTE_TAG,
    PARENT_TAG,
    ROLE_TAG,
    arm_tags,
    cell_tags,
    cost_values,
    folder_of,
    note_with_files,
    origin_tags,
    parent_tags,
)
from dymu.tracking.tail import Line

RUNNING, FINISHED, FAILED, KILLED, SCHEDULED = "RUNNING", "FINISHED", "FAILED", "KILLED", "SCHEDULED"

Failed = Mapping[tuple[str, int], str]
"""(Arm, seed) to what went wrong."""


@dataclass(kw_only=True)
class KnownRun:
    """A run that the server has.

    Attributes:
        run_id: The server's name of it.
        started_ms: Start, milliseconds since 1970.
        status: As MLflow spells it.
        tags: By key.
        params: By key.
        last_steps: Metric key to the last step of which the server has a value.
    """

    run_id: str
    started_ms: int
    status: str
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    last_steps: dict[str, int] = field(default_factory=dict)


class Server(Protocol):
    """What a teller needs of a tracking server; all calls may raise whatever the server's client raises."""

    def search(self, experiment_id: str, tag: str, value: str) -> list[KnownRun]:
        """Runs with a tag that are not deleted, the oldest first."""

    def create(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> KnownRun:
        """A running run."""

    def delete(self, run_id: str) -> None:
        """Take a run away."""

    def set_status(self, run_id: str, status: str) -> None:
        """Open or close a run."""

    def log(self, run_id: str, parcel: Parcel) -> None:
        """Log what is in a parcel: its metrics all or none, params and tags perhaps without them."""

    def form(self, run_id: str, form: Mapping[str, Any], name: str) -> None:
        """Keep a JSON value as a file of the run."""

    def file(self, run_id: str, path: Path, folder: str) -> None:
        """Keep a file of the run."""

    def tag_experiment(self, experiment_id: str, key: str, value: str) -> None:
        """Give an experiment a tag, or another value of it."""


class Teller:
    """Tells one manifest to a server that answers.

    How far the server was told is what it says itself: of each run its status, its params, and the last step
    of each metric. So a teller can go on after any other, wherever that one ended, and a server that lost
    what it had is told it again.

    Args:
        server: The server.
        store: Where results are.
        manifest: What is told.
        cursor: Becomes what the server says; kept up to date here.
        facts: Tags of the parent run besides its own, for instance which job this is.
        fence: Called before each request that tells something; raises if somebody else is to tell.
    """

    def __init__(
        self,
        server: Server,
        *,
        store: Store,
        manifest: Manifest,
        cursor: Cursor,
        facts: Mapping[str, str],
        fence: Callable[[], None],
    ) -> None:
        self._server = server
        self._store = store
        self._manifest = manifest
        self._cursor = cursor
        self._facts = facts
        self._fence = fence
        self._known: dict[str, KnownRun] = {}
        for run in server.search(cursor.experiment_id, MANIFEST_TAG, manifest.name):
            key = run.tags.get(KEY_TAG)
            if key in self._known:
                self._remove(run)  # a request to create it arrived though its answer was lost
            elif key is not None:
                self._known[key] = run
        self._read_cursor()

    @property
    def parent(self) -> RunCursor:
        """The run that stands for the whole manifest; created if need be."""
        if self._cursor.parent is None:
            name = short_name(self._manifest)
            self._cursor.parent = self._create(self._manifest.name, name, self._parent_tags())
            self._save_view()
            for run in self._known.values():  # of a parent that was deleted
                if run.tags.get(PARENT_TAG, self._cursor.parent.run_id) != self._cursor.parent.run_id:
                    self._log(run.run_id, Parcel(tags={PARENT_TAG: self._cursor.parent.run_id}))
        return self._cursor.parent

    def schedule(self) -> None:
        """Make the parent run, before anything runs."""
        if self._cursor.parent is None:
            self._set_status(self.parent, SCHEDULED)

    def tell(self, news: Sequence[News]) -> None:
        """Tell news, cell by cell."""
        for item in news:
            run = self._cursor.runs.get(item.cell.key) or self._open(item.cell)
            known = self._known[item.cell.key]
            tags = {} if item.record is None else origin_tags(item.provenance)
            load = parcels(
                _groups(run, item, known.last_steps),
                params=_untold(known.params, _params(item)),
                tags=_changed(known.tags, tags),
            )
            for parcel in load:
                self._open(item.cell)
                self._log(run.run_id, parcel)
            known.params |= _params(item)
            for stage, lines in item.lines.items():
                run.told[stage] = lines[-1][0]
            run.params += item.params
            run.complete += item.complete
            if item.record is not None:
                self._save_view(metric_keys(item.record.values).values())
                self._open(item.cell)
                self._fence()
                self._server.form(run.run_id, item.record.config, "config.json")
                self._set_status(run, FINISHED)

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
                    self._log(run.run_id, Parcel(tags={"dymu.error": failed[cell.arm, cell.seed]}))
                self._set_status(run, state)
        self._close_stale_runs(set(states))
        if not self._cursor.runs and not files and self._cursor.parent is None:
            return
        self._tell_summaries()
        self._save_view()
        self._upload(files)
        known = self._known[self._manifest.name]
        tags = {f"{FILE_TAG}{name}": digest for name, digest in self._cursor.artifacts.items()}
        tags |= note_with_files(self._manifest, files, run_id=self.parent.run_id)
        self._send(self.parent.run_id, (), params={}, tags=_changed(known.tags, tags))
        known.tags |= tags
        self._set_status(self.parent, _worst(states.values()))

    def keep(self, files: Mapping[Path, str]) -> None:
        """Keep files, paths to digests, with the parent, and leave everything else as it is."""
        self._upload(files)
        known = self._known[self._manifest.name]
        tags = _changed(known.tags, {f"{FILE_TAG}{path.name}": digest for path, digest in files.items()})
        self._send(self.parent.run_id, (), params={}, tags=tags)
        known.tags |= tags

    def _upload(self, files: Mapping[Path, str]) -> None:
        for path, digest in files.items():
            if self._cursor.artifacts.get(path.name) != digest:
                self._fence()
                self._server.file(self.parent.run_id, path, folder_of(path))
                self._cursor.artifacts[path.name] = digest

    # --- what the server has -------------------------------------------------------------------------------

    def _read_cursor(self) -> None:
        cursor, known = self._cursor, self._known
        cells = {cell.key: cell for cell in cells_of(self._manifest)}
        cursor.runs = {key: _told(known[key], cell) for key, cell in cells.items() if key in known}
        means = summary_keys(self._store, self._manifest)
        cursor.summaries = {
            arm: key for arm, key in means.items() if key in known and known[key].status == FINISHED
        }
        parent = known.get(self._manifest.name)
        cursor.parent = _cursor_of(parent) if parent else None
        tags = parent.tags if parent else {}
        cursor.artifacts = {
            key.removeprefix(FILE_TAG): value for key, value in tags.items() if key.startswith(FILE_TAG)
        }

    # --- runs ----------------------------------------------------------------------------------------------

    def _open(self, cell: Cell) -> RunCursor:
        """The run of a cell, running; its parent runs, too."""
        if self.parent.status != RUNNING:
            known = self._known[self._manifest.name].tags
            tags = _changed(known, {**self._parent_tags(), **_kept(known, NOTE_TAG)})
            self._send(self.parent.run_id, (), params={}, tags=tags)
            known |= tags
            self._set_status(self.parent, RUNNING)
        run = self._cursor.runs.get(cell.key)
        if run is None:
            tags = {**self._arm_tags(self._arm(cell.arm), "seed"), **cell_tags(cell)}
            run = self._cursor.runs[cell.key] = self._create(cell.key, f"{cell.arm} s{cell.seed}", tags)
        if run.status != RUNNING:
            self._set_status(run, RUNNING)
        return run

    def _create(self, key: str, name: str, tags: Mapping[str, str]) -> RunCursor:
        self._fence()
        known = self._server.create(self._cursor.experiment_id, name, {KEY_TAG: key, **tags})
        self._known[key] = known
        return _cursor_of(known)

    def _set_status(self, run: RunCursor, status: str) -> None:
        if run.status != status:
            self._fence()
            self._server.set_status(run.run_id, status)
            run.status = status

    def _remove(self, run: KnownRun) -> None:
        self._fence()
        if run.status == RUNNING:
            self._server.set_status(run.run_id, KILLED)  # also among deleted runs none should seem to run
        self._server.delete(run.run_id)

    def _log(self, run_id: str, parcel: Parcel) -> None:
        self._fence()
        self._server.log(run_id, parcel)

    def _send(
        self,
        run_id: str,
        groups: Iterable[Sequence[Metric]],
        *,
        params: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> None:
        for parcel in parcels(groups, params=params, tags=tags):
            self._log(run_id, parcel)

    def _close_stale_runs(self, current: set[str]) -> None:
        """Close what an earlier version of this manifest left open."""
        for key, run in self._known.items():
            if run.tags.get(ROLE_TAG) == "seed" and key not in current and run.status == RUNNING:
                self._fence()
                self._server.set_status(run.run_id, KILLED)
                run.status = KILLED

    def _tell_summaries(self) -> None:
        """Means over seeds; a mean over another set of seeds is taken away."""
        keys = summary_keys(self._store, self._manifest)
        for key, run in list(self._known.items()):
            if run.tags.get(ROLE_TAG) == "summary" and key not in keys.values():
                self._remove(run)
                del self._known[key]
        for name, key in keys.items():
            if self._cursor.summaries.get(name) != key:
                self._tell_summary(name, key)
        self._cursor.summaries = keys

    def _tell_summary(self, name: str, key: str) -> None:
        summary = summarise(self._store, self._arm(name), key)
        known = self._known.get(key)
        if known is None:
            run = self._create(key, f"{name} mean", self._arm_tags(summary.arm, "summary"))
            known = self._known[key]
        else:
            run = _cursor_of(known)
        seeds = " ".join(str(seed) for seed in summary.seeds)
        self._send(
            run.run_id,
            _value_groups(run, summary.values, known.last_steps),
            params=_untold(known.params, {"arm": name, "seeds": seeds}),
            tags={},
        )
        self._set_status(run, FINISHED)

    def _save_view(self, keys: Iterable[str] = ()) -> None:
        """Save the view of the arms, and again when metrics bring columns that it lacks."""
        parent = self.parent
        tags = self._known[self._manifest.name].tags
        told = {key for run in self._known.values() for key in run.last_steps}
        shown = tags.get(VIEW_TAG, "").split()
        columns = view_columns({*shown, *told, *keys})
        if VIEW_TAG in tags and set(columns) <= set(shown):
            return  # what a user makes of it stays
        key, value = saved_view(self._manifest, columns, created_ms=parent.started_ms)
        self._fence()
        self._server.tag_experiment(self._cursor.experiment_id, key, value)
        saved = {VIEW_TAG: " ".join(("arm", *columns))}
        self._send(parent.run_id, (), params={}, tags=saved)
        tags |= saved

    def _arm(self, name: str) -> ManifestArm:
        return next(arm for arm in self._manifest.arms if arm.name == name)

    def _arm_tags(self, arm: ManifestArm, role: str) -> dict[str, str]:
        return arm_tags(self._manifest, arm, role=role, parent_id=self.parent.run_id)

    def _parent_tags(self) -> dict[str, str]:
        return {**parent_tags(self._manifest), **self._facts}


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


def _cursor_of(run: KnownRun) -> RunCursor:
    return RunCursor(run_id=run.run_id, started_ms=run.started_ms, status=run.status)


def _told(run: KnownRun, cell: Cell) -> RunCursor:
    """How far a run was told. It was finished last, so a finished one was told everything."""
    found = _cursor_of(run)
    if run.status == FINISHED:
        found.params, found.complete = list(cell.steps), list(cell.steps)
    for stage in cell.steps:
        prefix = metric_prefix(stage)
        steps = [step for key, step in run.last_steps.items() if key.startswith(prefix)]
        if steps:
            found.told[stage] = max(steps)
    return found


def _params(item: News) -> dict[str, str]:
    told = {key: text for stage in item.params.values() for key, text in stage.items()}
    return {"arm": item.cell.arm, "seed": str(item.cell.seed), **told}


def _untold(known: Mapping[str, str], params: Mapping[str, str]) -> dict[str, str]:
    """Params that the server lacks; it would refuse to change one that dymu has come to spell otherwise."""
    return {key: value for key, value in params.items() if key not in known}


def _changed(known: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if known.get(key) != value}


def _kept(known: Mapping[str, str], key: str) -> dict[str, str]:
    """What may be more than it was at first, such as a description that has tables."""
    return {key: known[key]} if key in known else {}


def _groups(run: RunCursor, item: News, known: Mapping[str, int]) -> Iterator[list[Metric]]:
    """All metrics of a piece of news, those of one line together."""
    for stage, lines in item.lines.items():
        yield from _line_groups(run, stage, lines)
    yield from _value_groups(run, cost_values(item.provenance), known)
    if item.record is not None:
        values = {name: value.value for name, value in item.record.values.items()}
        yield from _value_groups(run, values, known)


def _line_groups(run: RunCursor, stage: str, lines: Sequence[Line]) -> Iterator[list[Metric]]:
    keys = metric_keys({f"{stage}/{name}" for _, metrics in lines for name in metrics})
    for step, values in lines:
        # The time of a metric is a function of its step, so that a repeated one is the same row.
        yield [
            (keys[f"{stage}/{name}"], value, run.started_ms + step, step) for name, value in values.items()
        ]


def _value_groups(
    run: RunCursor, values: Mapping[str, float], known: Mapping[str, int]
) -> Iterator[list[Metric]]:
    """Values without a step, each for itself; those that the server has are left out."""
    keys = metric_keys(values)
    for name, value in values.items():
        if keys[name] not in known:
            yield [(keys[name], value, run.started_ms, 0)]


def _worst(states: Iterable[str]) -> str:
    found = set(states)
    return next((state for state in (FAILED, KILLED) if state in found), FINISHED)
