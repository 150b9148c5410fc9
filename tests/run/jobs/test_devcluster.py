import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dymu.errors import BackendError
from dymu.run.jobs.devcluster import DevCluster
from dymu.run.jobs.postgres import find_programs
from dymu.run.jobs.services import Service, start
from dymu.tracking.mlflow import Server

ROOT = Path(__file__).parents[3]


def test_a_folder_without_a_cluster_says_how_to_start_one(tmp_path: Path) -> None:
    cluster = DevCluster(tmp_path / "none")
    said: list[str] = []
    cluster.down(said.append)
    cluster.drain(said.append)
    assert said == [f"Nothing is kept in {tmp_path / 'none'}."]
    assert cluster.services() == []
    with pytest.raises(BackendError, match="start one with `dymu cluster up`"):
        _ = cluster.variables


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": 99}'])
def test_a_state_that_cannot_be_read_is_not_thrown_away(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(BackendError, match=r"end (them|its cluster)"):
        DevCluster(tmp_path).up(print)
    assert (tmp_path / "state.json").read_text() == text


def write_state(folder: Path, *services: Service) -> None:
    form = {"format": 1, "ports": {}, "services": [service.form() for service in services]}
    (folder / "state.json").write_text(json.dumps(form))


def test_what_is_known_is_ended_last_first_and_forgotten(tmp_path: Path) -> None:
    code = "import time; time.sleep(600)"
    services = [
        start(name, [sys.executable, "-c", code], environment=os.environ, log=tmp_path / name)
        for name in ("first", "second")
    ]
    gone = Service(name="gone", pid=2**22 - 1, started=0.0, mark="m", log="")
    write_state(tmp_path, *services, gone)
    said: list[str] = []
    DevCluster(tmp_path).down(said.append)
    assert said == ["gone: was not running", "second: ended, 1 processes", "first: ended, 1 processes"]
    assert DevCluster(tmp_path).services() == []


def test_two_commands_at_once_do_not_mix(tmp_path: Path) -> None:
    write_state(tmp_path)
    first, second = DevCluster(tmp_path), DevCluster(tmp_path)
    with first._alone(), pytest.raises(BackendError, match="another command is starting or ending"):
        second.down(print)


def test_purging_removes_the_folder_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    (folder / "store").mkdir(parents=True)
    (tmp_path / "mine").touch()
    write_state(folder)
    said: list[str] = []
    DevCluster(folder).down(said.append, purge=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert said == [f"Removed {folder}."]


# --- all of it ---------------------------------------------------------------------------------------------


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the user as whom PostgreSQL runs can reach."""
    with tempfile.TemporaryDirectory(prefix="dymu-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "cluster"


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dymu", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.timeout(1200)
def test_a_cluster_takes_a_study_is_mended_and_ends_without_a_trace(open_folder: Path) -> None:
    try:
        find_programs()
    except BackendError as missing:
        pytest.skip(str(missing))
    toys = ROOT / "tests" / "run" / "toys"
    cluster = DevCluster(open_folder)
    seen: list[psutil.Process] = []
    try:
        up = ("cluster", "up", "--folder", str(open_folder))
        done = command(*up, "--submit", "toy_studies:ours", cwd=toys)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Submitted as" in done.stdout
        assert (open_folder / "auth_token").stat().st_mode & 0o077 == 0
        services = cluster.services()
        assert [service.name for service in services] == [
            "PostgreSQL", "MLflow", "Ray head", "Ray node 1", "Ray node 2",
        ]  # fmt: skip
        seen += [process for service in services for process in service.members()]

        again = command(*up, cwd=toys)
        assert again.stdout.startswith("All of it is up already.")
        assert cluster.services() == services

        for name in ("MLflow", "Ray node 2"):  # the node's raylet outlives it
            os.kill(next(s.pid for s in services if s.name == name), signal.SIGKILL)
        status = command("cluster", "status", "--folder", str(open_folder), cwd=toys)
        assert status.returncode == BackendError.exit_code
        mended = command(*up, cwd=toys)
        assert mended.returncode == 0, mended.stdout + mended.stderr
        assert [line for line in mended.stdout.splitlines() if line.startswith("Starting")] == [
            "Starting MLflow ...",
            "Starting Ray node 2 ...",
        ]
        seen += [process for service in cluster.services() for process in service.members()]
        assert Server(cluster.variables["MLFLOW_TRACKING_URI"]).client.search_experiments()
    finally:
        ended = command("cluster", "down", "--folder", str(open_folder), "--purge", cwd=toys)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert not open_folder.exists()
    assert [process for process in seen if process.is_running() and process.status() != "zombie"] == []
