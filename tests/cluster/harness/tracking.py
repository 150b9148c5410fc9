"""An MLflow server on a database that outlives it, and what it was told."""

import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from mlflow.tracking import MlflowClient

from tests.cluster.harness.places import HOST, Places
from tests.cluster.harness.processes import Command, wait_until

_START_S = 120.0


class TrackingServer:
    """``mlflow server`` with one worker.

    Args:
        places: Where it lies.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._folder = places.folder / "mlflow"
        self._command: Command | None = None

    def start(self, *, wait: bool = True) -> None:
        """Start it, again on the same database."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._command = Command(
            [sys.executable, "-m", "mlflow", "server", f"--host={HOST}", f"--port={self._places.mlflow_port}",
             f"--backend-store-uri=sqlite:///{self._folder / 'mlflow.db'}", "--workers=1",
             f"--artifacts-destination={self._folder / 'artifacts'}"],
            self._places.environment(),
            self._folder,
            self._places.folder / "logs" / "mlflow.log",
        )  # fmt: skip
        if wait:
            self.wait()

    def wait(self) -> None:
        """Return when it answers."""
        wait_until(self.answers, "the MLflow server answers", patience_s=_START_S)

    def answers(self) -> bool:
        """Whether it does now."""
        try:
            with urllib.request.urlopen(f"{self._places.tracking_uri}/health", timeout=5) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """Kill it and its worker processes."""
        if self._command is not None:
            self._command.kill()


class Told:
    """What the server knows about one study, read through MLflow's client.

    Args:
        uri: Of the server.
        experiment: Name of the study.
    """

    def __init__(self, uri: str, experiment: str) -> None:
        self._client = MlflowClient(uri)
        found = self._client.get_experiment_by_name(experiment)
        assert found is not None, f"MLflow has no experiment {experiment}"
        self._runs = list(self._client.search_runs([found.experiment_id], max_results=1000))

    def open_runs(self) -> list[str]:
        """Names of runs that are not closed."""
        return [str(run.info.run_name) for run in self._runs if run.info.status == "RUNNING"]

    def run(self, arm: str, seed: int) -> Any:
        """The run of an arm and seed.

        Raises:
            AssertionError: If there is none, or there are several.
        """
        found = [
            r
            for r in self._runs
            if r.data.tags.get("dymu.arm") == arm and r.data.tags.get("dymu.seed") == str(seed)
        ]
        assert len(found) == 1, f"MLflow has {len(found)} runs of arm {arm}, seed {seed}; expected one"
        return found[0]

    def history(self, run: Any) -> dict[str, list[tuple[int, float]]]:
        """Every metric of a run: (step, value) as often as it was told, in order of steps."""
        return {name: sorted(self._values(run.info.run_id, name)) for name in run.data.metrics}

    def _values(self, run_id: str, metric: str) -> Iterator[tuple[int, float]]:
        return ((entry.step, entry.value) for entry in self._client.get_metric_history(run_id, metric))
