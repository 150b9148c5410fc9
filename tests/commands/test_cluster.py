import json
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dymu.cli import app
from dymu.run.jobs import devcluster
from dymu.run.jobs.services import Service, end, start


def invoke(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["cluster", *words])
    return done.exit_code, done.stdout


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DYMU_CLUSTER", raising=False)
    return tmp_path / ".dymu-cluster"


def keep(folder: Path, *services: Service) -> None:
    folder.mkdir()
    form = {"format": 1, "ports": {}, "services": [service.form() for service in services]}
    (folder / "state.json").write_text(json.dumps(form))


def sleeper(folder: Path) -> Service:
    words = [sys.executable, "-c", "import time; time.sleep(600)"]
    return start("MLflow", words, environment=os.environ, log=folder.parent / "log")


def test_status_without_a_cluster_says_so(folder: Path) -> None:
    code, said = invoke("status")
    assert code == 3
    assert "No cluster is kept in" in said
    assert not folder.exists()


def test_status_tells_what_is_up_and_what_is_gone(folder: Path) -> None:
    service = sleeper(folder)
    keep(folder, service)
    try:
        code, said = invoke("status", "--json")
        (told,) = json.loads(said)
        assert (code, told["name"], told["alive"]) == (0, "MLflow", True)
    finally:
        end([service])
    code, said = invoke("status")
    assert code == 3
    assert "gone" in said


def test_down_ends_what_is_kept_and_twice_does_nothing(folder: Path) -> None:
    keep(folder, sleeper(folder))
    assert invoke("down") == (0, "MLflow: ended, 1 processes\n")
    assert invoke("down") == (0, "")
    assert folder.exists()


def test_down_can_remove_the_folder(folder: Path) -> None:
    keep(folder)
    code, said = invoke("down", "--purge")
    assert (code, "Removed" in said, folder.exists()) == (0, True, False)


def test_up_says_where_everything_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def up(self: devcluster.DevCluster, say: object) -> bool:  # noqa: ARG001
        keep(folder)
        form = json.loads((folder / "state.json").read_text())
        form["ports"] = {"dashboard": 8265, "mlflow": 5000}
        (folder / "state.json").write_text(json.dumps(form))
        return True

    monkeypatch.setattr(devcluster.DevCluster, "up", up)
    code, said = invoke("up")
    assert code == 0
    for text in ("http://127.0.0.1:8265", "http://127.0.0.1:5000", "source .dymu-cluster/env", "auth_token"):
        assert text in said
