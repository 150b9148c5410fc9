"""An MLflow client with the calls that a teller needs; the one place that imports MLflow.

Importing it takes seconds, so that happens when a :class:`Server` is made, and not before.
"""

import logging
import os
import sqlite3
import time
import warnings
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from dymu.tracking.naming import MAX_TAG, shortened
from dymu.tracking.parcels import Parcel
from dymu.tracking.teller import RUNNING, SCHEDULED, KnownRun

LOG = logging.getLogger(__name__)

# A dead server must not hold up a study: the next sync is a better retry than the library's own, which take
# minutes. They would also send a request again of which only the answer was lost, and make a run twice.
# Telemetry would tell a third party about each call.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_DATABASE_RETRIES = 2
# The page takes an experiment for one about language models unless it is told otherwise; see also ``url`` of
# the writer.
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}


class Server:
    """An MLflow server or database (:class:`dymu.tracking.teller.Server`)."""

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
        """Runs with a tag that are not deleted, the oldest first."""
        found: list[KnownRun] = []
        token = None
        while True:
            page = self.client.search_runs(
                [experiment_id],
                f"tags.`{tag}` = '{value}'",
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
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
        if status in (RUNNING, SCHEDULED):
            self.client.update_run(run_id, status=status)
        else:
            self.client.set_terminated(run_id, status)

    def log(self, run_id: str, parcel: Parcel) -> None:
        """Log what is in a parcel: its metrics all or none, params and tags perhaps without them."""
        entities = self._entities
        self.client.log_batch(
            run_id,
            metrics=[entities.Metric(*metric) for metric in parcel.metrics],
            params=[entities.Param(key, value) for key, value in parcel.params.items()],
            tags=[entities.RunTag(key, value) for key, value in _cut(parcel.tags).items()],
            synchronous=True,
        )

    def form(self, run_id: str, form: Mapping[str, Any], name: str) -> None:
        """Keep a JSON value as a file of the run."""
        self.client.log_dict(run_id, dict(form), name)

    def file(self, run_id: str, path: Path, folder: str) -> None:
        """Keep a file of the run."""
        self.client.log_artifact(run_id, str(path), folder)

    def tag_experiment(self, experiment_id: str, key: str, value: str) -> None:
        """Give an experiment a tag, or another value of it."""
        self.client.set_experiment_tag(experiment_id, key, value)


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
        run_id=info.run_id,
        started_ms=info.start_time,
        status=info.status,
        tags=dict(run.data.tags),
        params=dict(run.data.params),
        last_steps={metric.key: metric.step for metric in run.data.to_proto().metrics},
    )


def _cut(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: shortened(value, MAX_TAG, whole="the store") for key, value in tags.items()}
