import shutil
import sqlite3
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import pytest

from dymu.run import doctor
from dymu.run.doctor import examine
from dymu.run.verdict import Check


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing Ray takes a second, and it is not what these tests are about."""
    monkeypatch.setattr(doctor, "ray_version", lambda: "2.60.0")


def found(root: Path, *, tracking_uri: str | None = None) -> dict[str, Check]:
    return {check.name: check for check in examine(str(root), tracking_uri=tracking_uri, folder=root.parent)}


def test_a_sound_machine_passes_every_check(tmp_path: Path) -> None:
    checks = found(tmp_path / "store")
    assert {name for name, check in checks.items() if not check.ok} == set()
    assert "made just now" in checks["store"].found
    assert "torch 2" in checks["packages"].found
    assert "threads" in checks["torch"].found
    assert "not a repository" in checks["git"].found
    assert "will be made by the first run" in checks["mlflow"].found


def test_the_database_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "store" / "mlflow"
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute("CREATE TABLE runs (id TEXT)")
        connection.execute("INSERT INTO runs VALUES ('a')")
        connection.commit()
    assert found(tmp_path / "store")["mlflow"].found.endswith("holds 1 runs")


def test_what_is_not_sound_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> str:
        raise ImportError("No module named 'ray'")

    usage = namedtuple("usage", "free")
    monkeypatch.setattr(doctor, "ray_version", absent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1024))
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.json").write_text('{"format": 99}')
    checks = found(tmp_path / "store", tracking_uri="http://127.0.0.1:9")
    assert not checks["ray"].ok
    assert "cache gc" in checks["disk"].found
    assert "format 99" in checks["store"].found
    assert "does not answer" in checks["mlflow"].found


def test_a_database_that_came_from_another_store_is_not_sound(tmp_path: Path) -> None:
    folder = tmp_path / "store" / "mlflow"
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
        connection.execute("CREATE TABLE runs (artifact_uri TEXT)")
        connection.execute("INSERT INTO runs VALUES ('file:///elsewhere/mlflow/artifacts/a/artifacts')")
    mlflow = found(tmp_path / "store")["mlflow"]
    assert not mlflow.ok
    assert "keeps files of runs in /elsewhere/mlflow/artifacts" in mlflow.found
