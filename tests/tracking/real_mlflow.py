"""A real MLflow server of a test's own, and what it knows."""

import os
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.tracking import MlflowClient

from dymu.run.jobs.postgres import Postgres
from dymu.run.jobs.services import HOST, Service, end, free_ports, start, wait_for

_START_S = 120.0


class RealServer:
    """``mlflow server`` with proxied artifacts, whose database outlives it.

    Args:
        folder: For its database and artifacts.
        backend: URI of its database.
        options: Further options of its command.
    """

    def __init__(self, folder: Path, backend: str, *options: str) -> None:
        self.port = free_ports({"mlflow": 0})["mlflow"]
        self.uri = f"http://{HOST}:{self.port}"
        self._folder = folder
        self._backend = backend
        self._options = options
        self._service: Service | None = None

    def start(self) -> None:
        """Start it, again on the same database; returns when it answers."""
        words = [
            *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(self.port)),
            *("--workers", "1", "--artifacts-destination", str(self._folder / "artifacts"), *self._options),
        ]
        environment = {
            **os.environ,
            "MLFLOW_BACKEND_STORE_URI": self._backend,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PYTHONWARNINGS": "ignore",
        }
        log = self._folder / "mlflow.log"
        self._service = start("MLflow", words, environment=environment, log=log)
        wait_for(self._service, self._answers, patience_s=_START_S)

    def kill(self) -> None:
        """End it as kill -9 does."""
        assert self._service is not None
        for process in self._service.members():
            process.kill()
        end([self._service])

    def stop(self) -> None:
        """End it, if it runs."""
        if self._service is not None:
            end([self._service])

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def statuses(self, experiment: str) -> dict[str, str]:
        """Name to status of the runs of an experiment; no name may be there twice."""
        runs = self._runs(experiment)
        names = [run.info.run_name for run in runs]
        assert len(set(names)) == len(names), names
        return {run.info.run_name: run.info.status for run in runs}

    def steps(self, experiment: str, run_name: str, metric: str) -> list[int]:
        """Steps of a metric of a run, as its history has them."""
        (run,) = (run for run in self._runs(experiment) if run.info.run_name == run_name)
        return sorted(entry.step for entry in self._client.get_metric_history(run.info.run_id, metric))

    def twice(self, experiment: str) -> list[str]:
        """All metrics of all runs that have a step more than once."""
        found = []
        for run in self._runs(experiment):
            for metric in run.data.metrics:
                history = self._client.get_metric_history(run.info.run_id, metric)
                counts = Counter(entry.step for entry in history)
                found += [f"{run.info.run_name} {metric} {step}" for step, n in counts.items() if n > 1]
        return found

    def files(self, experiment: str, run_name: str) -> list[str]:
        """Paths of all files of a run."""
        (run,) = (run for run in self._runs(experiment) if run.info.run_name == run_name)
        folders, found = [""], list[str]()
        while folders:
            for entry in self._client.list_artifacts(run.info.run_id, folders.pop()):
                (folders if entry.is_dir else found).append(entry.path)
        return sorted(found)

    @property
    def _client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def _runs(self, experiment: str) -> list:  # type: ignore[type-arg]
        found = self._client.get_experiment_by_name(experiment)
        return [] if found is None else list(self._client.search_runs([found.experiment_id]))


@contextmanager
def real_server(folder: Path, *options: str) -> Iterator[RealServer]:
    """A server on SQLite."""
    folder.mkdir(parents=True, exist_ok=True)
    server = RealServer(folder, f"sqlite:///{folder / 'server.db'}", *options)
    try:
        server.start()
        yield server
    finally:
        server.stop()


class RealPostgres:
    """A PostgreSQL server; the folder and those above it must be open to others if this user is root."""

    def __init__(self, folder: Path) -> None:
        self._server = Postgres(folder, free_ports({"postgres": 0})["postgres"])
        self._service: Service | None = None

    @property
    def uri(self) -> str:
        """With the password."""
        return self._server.uri

    def start(self) -> None:
        """Start it, again on the same data; returns when it answers."""
        self._service = self._server.start()
        wait_for(self._service, self._server.ready, patience_s=_START_S)

    def stop(self) -> None:
        """End it, if it runs."""
        if self._service is not None:
            end([self._service])
