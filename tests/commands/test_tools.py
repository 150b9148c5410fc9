import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Dymu = Callable[..., Any]


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
    database.parent.mkdir()
    database.touch()
    said = dymu("ui", "--port", "5007")
    assert "http://127.0.0.1:5007" in said.out
    ((_, *arguments),) = called
    assert arguments[:3] == ["-m", "mlflow", "server"]
    assert f"sqlite:///{database}" in arguments
    assert "127.0.0.1" in arguments


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
