import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dymu.tracking.cursor import Cursor

Dymu = Callable[..., Any]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_ui_serves_the_database_of_the_store(
    dymu: Dymu, run_here: Dymu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, arguments: called.append(arguments))
    run_here("toy_studies:ours")
    said = dymu("ui")
    assert said.code == 3
    assert "run a study first" in said.err
    database = tmp_path / "store" / "mlflow" / "mlflow.db"
    (database.parent / "cursors").mkdir(parents=True)
    database.touch()
    cursor = Cursor(uri=f"sqlite:///{database}", experiment_id="4")
    cursor.save(database.parent / "cursors" / "toy_studies-ours.json")
    port = str(free_port())
    said = dymu("ui", "--port", port)
    assert f"http://127.0.0.1:{port}/ " in said.out
    assert f"toy_studies-ours: http://127.0.0.1:{port}/#/experiments/4/runs?" in said.out
    ((_, *arguments),) = called
    assert arguments[:3] == ["-m", "mlflow", "server"]
    assert f"sqlite:///{database}" in arguments
    assert "127.0.0.1" in arguments


def test_ui_says_when_its_port_is_taken(dymu: Dymu, run_here: Dymu, tmp_path: Path) -> None:
    run_here("toy_studies:ours")
    (tmp_path / "store" / "mlflow").mkdir()
    (tmp_path / "store" / "mlflow" / "mlflow.db").touch()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = dymu("ui", "--port", str(port))
    assert said.code == 3
    assert f"port {port} of 127.0.0.1 cannot be had" in said.err
    assert f"--port {port + 1}" in said.err


def test_ui_names_the_server_that_was_told_instead(dymu: Dymu, run_here: Dymu, tmp_path: Path) -> None:
    run_here("toy_studies:ours")
    cursor = Cursor(uri="http://mlflow.example.org:5000", experiment_id="4")
    cursor.save(tmp_path / "store" / "mlflow" / "cursors" / "toy_studies-ours.json")
    said = dymu("ui")
    assert said.code == 3
    assert "told to http://mlflow.example.org:5000: open that" in said.err


def test_the_doctor_looks_at_everything(dymu: Dymu) -> None:
    said = dymu("doctor", "--json")
    assert said.code == 0, said.out
    names = {entry["name"] for entry in said.json}
    assert {"python", "packages", "store", "disk", "torch", "ray", "mlflow", "git"} <= names


def test_the_doctor_tells_what_fails(dymu: Dymu, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.json").write_text('{"format": 99}')
    said = dymu("doctor")
    assert said.code == 3
    assert "fails" in said.out
    assert "format 99" in said.flat


def test_version(dymu: Dymu) -> None:
    assert dymu("version").out == "0.1.0\n"
