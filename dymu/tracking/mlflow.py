"""Tells MLflow about a study; the one place that imports it.

Records are the truth and MLflow is a view of them: what it is told comes from the store, may be told late,
and may be told twice without showing twice. One process writes per manifest. A run is found by its identity
tag before it is created; the time of a metric is the run's start plus the step number, so a repeated batch
falls on the rows that are there already.

Importing MLflow takes seconds: it happens when there is something to tell, and not before.
"""

import hashlib
import logging
import os
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dymu.artifacts.manifest import Manifest
from dymu.artifacts.store import Store
from dymu.tracking.cursor import Cursor, load_cursor
from dymu.tracking.faults import Unavailable, classified, shown
from dymu.tracking.naming import MAX_TAG, shortened
from dymu.tracking.news import News, Newsroom, cells_of
from dymu.tracking.teller import RUNNING, Failed, KnownRun, Teller, open_ends

LOG = logging.getLogger(__name__)

UI_ADDRESS = "http://127.0.0.1:5000"

_PARAM_BATCH = 100
_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 120.0
# A dead server must not hold up a study: the next sync is a better retry than the library's own, which take
# minutes. Telemetry would tell a third party about each call.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_DATABASE_RETRIES = 2
# The page takes an experiment for one about language models unless it is told otherwise; see also ``url``.
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}


class StudyWriter:
    """Tells one manifest to one tracking server.

    Args:
        store: The store that holds the study.
        manifest: What the study expects; each arm and seed becomes a run below one parent run.
        tracking_uri: MLflow tracking URI; by default a SQLite file in the store.

    Attributes:
        pending: Values that were known and not told at the end of the last call.
    """

    def __init__(self, store: Store, manifest: Manifest, *, tracking_uri: str | None = None) -> None:
        self.manifest = manifest
        self.pending = 0
        self._store = store
        self._folder = store.mlflow_dir.absolute()
        self._database = self._folder / "mlflow.db"
        self._local = tracking_uri is None
        self._uri = tracking_uri or f"sqlite:///{self._database}"
        self._cursor_file = self._folder / "cursors" / f"{manifest.name}.json"
        self._lock = FileLock(self._cursor_file.with_suffix(".lock"), thread_local=False)
        self._newsroom = Newsroom(store, cells_of(manifest))
        self._cursor = self._load()
        self._teller: Teller | None = None
        self._retry_at = 0.0
        self._wait_s = 0.0

    def sync(self) -> None:
        """Tell what is new since the last call; cheap if nothing is.

        While the server is away nothing is lost and nothing is raised: it is told at a later call.

        Raises:
            TrackingError: If the server or the disk refuses for a reason that waiting does not cure.
        """
        if time.monotonic() < self._retry_at:
            return
        news = self._collect()
        if news:
            self._deliver(news)

    def finish(self, failed: Failed, artifacts: Sequence[Path] = ()) -> None:
        """Tell the rest and close all runs.

        Runs with a record are FINISHED, those in ``failed`` FAILED, all others KILLED. The parent also gets
        one summary run per arm and the given files. What cannot be told now is told by the next writer of
        this manifest.

        Args:
            failed: (Arm, seed) to what went wrong.
            artifacts: Tables and figures for the parent run.

        Raises:
            TrackingError: As :meth:`sync`.
        """
        files = _digests(artifacts)
        news = self._collect()
        if news or open_ends(self._store, self.manifest, self._cursor, failed=failed, files=files):
            self._deliver(news, then=lambda teller: teller.close(failed, files))
        self._lock.release()

    def url(self) -> str:
        """Where a browser shows the parent run; for the store's own database as served by ``dymu ui``."""
        server = self._uri.rstrip("/") if self._uri.startswith("http") else UI_ADDRESS
        if self._cursor.parent is None:
            return server
        run = f"experiments/{self._cursor.experiment_id}/runs/{self._cursor.parent.run_id}"
        return f"{server}/#/{run}?workflowType=machine_learning"

    def _collect(self) -> list[News]:
        news = self._newsroom.collect(self._cursor)
        self.pending = sum(item.size for item in news)
        return news

    def _deliver(self, news: Sequence[News], then: Callable[[Teller], None] | None = None) -> None:
        """Tell news, then do the rest; after an error all of it is told again at a later call."""
        try:
            if self._teller is None:
                self._teller = self._connect()
                self._newsroom.forget()
                news = self._collect()  # what is news depends on the cursor
            self._teller.tell(news)
            if then is not None:
                then(self._teller)
            self._save(self._cursor)
        except BaseException as error:  # noqa: BLE001 - raised again unless waiting cures it
            self._teller = None
            self._newsroom.forget()
            self._cursor = self._load()
            reason = classified(error, self._uri)
            if not isinstance(reason, Unavailable):
                raise reason from (error if reason is not error else None)
            self._wait(reason)
        else:
            if self._wait_s:
                LOG.warning("MLflow at %s answers again; nothing was lost.", shown(self._uri))
            self._wait_s, self.pending = 0.0, 0

    def _wait(self, reason: Unavailable) -> None:
        if not self._wait_s:
            LOG.warning(
                "MLflow at %s cannot be told now (%s). The study goes on; it is told later.",
                shown(self._uri),
                reason,
            )
        self._wait_s = min(max(2 * self._wait_s, _FIRST_WAIT_S), _LONGEST_WAIT_S)
        self._retry_at = time.monotonic() + self._wait_s

    def _connect(self) -> Teller:
        self._cursor_file.parent.mkdir(parents=True, exist_ok=True)
        try:
            if not self._lock.is_locked:
                self._lock.acquire(blocking=False)
        except Timeout:
            raise Unavailable("another process is telling it about this study") from None
        self._cursor = self._load()  # the last holder of the lock may have told more
        with FileLock(self._folder / "create.lock"):  # two processes must not create one database at once
            if self._local and not self._database.exists():
                create_database(self._database)
            server = Server(self._uri)
            place = (self._folder / "artifacts").as_uri() if self._local else None
            self._cursor.experiment_id = server.experiment(self.manifest.study, place)
        return Teller(server, store=self._store, manifest=self.manifest, cursor=self._cursor, save=self._save)

    def _load(self) -> Cursor:
        if self._local and not self._database.exists():
            return Cursor(uri=shown(self._uri))
        return load_cursor(self._cursor_file, shown(self._uri))

    def _save(self, cursor: Cursor) -> None:
        cursor.save(self._cursor_file)


class Server:
    """An MLflow client with the calls that a teller needs (:class:`dymu.tracking.teller.Server`)."""

    def __init__(self, uri: str) -> None:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        # Users can do nothing about what MLflow and its dependencies have to tell each other. A filter, and
        # not a context: tracking runs in a thread beside others that warn.
        warnings.filterwarnings("ignore", module=r"(mlflow|sqlalchemy|alembic|pydantic|fastapi|starlette)\b")
        import mlflow.entities
        import mlflow.store.db.utils
        import mlflow.tracking

        for logger in ("mlflow", "alembic"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)  # the writer says what goes wrong, once
        # Ten retries, the library's choice, hold up a study for 100 seconds.
        mlflow.store.db.utils.MAX_RETRY_COUNT = _DATABASE_RETRIES
        self._entities = mlflow.entities
        self.client = mlflow.tracking.MlflowClient(tracking_uri=uri)

    def experiment(self, name: str, artifact_location: str | None) -> str:
        """Id of an experiment, created if need be; one that a user deleted comes back."""
        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self.client.create_experiment(name, artifact_location, _EXPERIMENT_TAGS))
            except Exception as error:
                if getattr(error, "error_code", "") != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = self.client.get_experiment_by_name(name)  # another machine was faster
                assert found is not None
        if found.lifecycle_stage == "deleted":
            LOG.warning("The MLflow experiment %r had been deleted; it is restored.", name)
            self.client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def search(self, experiment_id: str, tag: str, value: str) -> list[KnownRun]:
        """Runs with a tag that are not deleted."""
        found: list[KnownRun] = []
        token = None
        while True:
            page = self.client.search_runs([experiment_id], f"tags.`{tag}` = '{value}'", page_token=token)
            found += [_known(run) for run in page]
            token = page.token
            if not token:
                return found

    def create(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> KnownRun:
        """A running run."""
        started_ms = int(time.time() * 1000)
        return _known(
            self.client.create_run(experiment_id, start_time=started_ms, tags=_cut(tags), run_name=name)
        )

    def delete(self, run_id: str) -> None:
        """Take a run away."""
        self.client.delete_run(run_id)

    def set_status(self, run_id: str, status: str) -> None:
        """Open or close a run."""
        if status == RUNNING:
            self.client.update_run(run_id, status=status)
        else:
            self.client.set_terminated(run_id, status)

    def steps(self, run_id: str, metric: str) -> set[int]:
        """Steps at which a metric was told."""
        return {entry.step for entry in self.client.get_metric_history(run_id, metric)}

    def metrics(self, run_id: str, metrics: Sequence[tuple[str, float, int, int]]) -> None:
        """Log at most 1000 of (key, value, time in ms, step), all or none."""
        entities = [self._entities.Metric(*metric) for metric in metrics]
        self.client.log_batch(run_id, metrics=entities, synchronous=True)

    def params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Log params; one that is there already must have the same value."""
        entities = [self._entities.Param(key, value) for key, value in params.items()]
        for start in range(0, len(entities), _PARAM_BATCH):
            self.client.log_batch(run_id, params=entities[start : start + _PARAM_BATCH], synchronous=True)

    def tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags."""
        entities = [self._entities.RunTag(key, value) for key, value in _cut(tags).items()]
        self.client.log_batch(run_id, tags=entities, synchronous=True)

    def form(self, run_id: str, form: Mapping[str, Any], name: str) -> None:
        """Keep a JSON value as a file of the run."""
        self.client.log_dict(run_id, dict(form), name)

    def file(self, run_id: str, path: Path, folder: str) -> None:
        """Keep a file of the run."""
        self.client.log_artifact(run_id, str(path), folder)


def create_database(path: Path) -> None:
    """An empty SQLite file that MLflow will put its tables into.

    With a write-ahead log a commit waits for the disk once instead of several times, and the page can be
    read while a study writes.
    """
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _known(run: Any) -> KnownRun:
    info = run.info
    return KnownRun(
        run_id=info.run_id, started_ms=info.start_time, status=info.status, tags=dict(run.data.tags)
    )


def _cut(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: shortened(value, MAX_TAG, whole="the store") for key, value in tags.items()}


def _digests(paths: Iterable[Path]) -> dict[Path, str]:
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
