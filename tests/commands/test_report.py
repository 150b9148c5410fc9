"""The verb ``report``."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.store import Store
from dymu.errors import StoreError

Dymu = Callable[..., Any]


@pytest.mark.parametrize(
    "name", ["toy_studies-ours.toy_question", "ablations.toy_question", "toy_studies:ours"]
)
def test_a_study_is_named_as_elsewhere(finished: Dymu, tmp_path: Path, name: str) -> None:
    said = finished("report", name, "-o", str(tmp_path / "out"), "--no-tracking")
    assert said.code == 0
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_the_path_and_the_size_are_printed(finished: Dymu, tmp_path: Path) -> None:
    said = finished("report", "ablations.toy_question", "--no-tracking")
    path = tmp_path / "store" / "reports" / "toy_studies-ours.toy_question" / "report.html"
    assert said.flat.startswith(f"{path} (")
    assert path.exists()


def test_a_study_that_is_not_there_is_refused(finished: Dymu) -> None:
    said = finished("report", "studies.nothing:ours", "--no-tracking")
    assert said.code == 4
    assert "no results" in said.err


def test_mlflow_is_left_alone_if_it_does_not_know_the_study(finished: Dymu, tmp_path: Path) -> None:
    said = finished("report", "ablations.toy_question")
    assert said.code == 0
    assert "MLflow" not in said.out
    assert not (tmp_path / "store" / "mlflow" / "mlflow.db").exists()


def test_what_a_study_is_beside_its_questions_has_a_report(finished: Dymu, tmp_path: Path) -> None:
    """Two questions about one study: neither is meant more than the other."""
    store = Store(tmp_path / "store")
    (asked,) = store.manifests()
    store.save_manifest(replace(asked, name=f"{asked.study}.another"))
    said = finished("report", "toy_studies:ours", "--no-tracking")
    assert said.code == 0
    page = (tmp_path / "store" / "reports" / asked.study / "report.html").read_text()
    assert f"Claims of the paper on {asked.study}" in page
    assert f"dymu report {asked.study}.another`" in page


def test_a_folder_that_cannot_be_written_is_refused(finished: Dymu, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = finished("report", "ablations.toy_question", "-o", str(tmp_path / "file"), "--no-tracking")
    assert said.code == 4
    assert f"the report cannot be written to {tmp_path / 'file'}: " in said.err
    assert "Name another with -o." in said.err


def test_a_store_that_cannot_be_written_keeps_mlflow_from_the_report(
    finished: Dymu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise StoreError("the store cannot be written.")

    monkeypatch.setattr("dymu.commands.report.open_store", refuse)
    said = finished("report", "ablations.toy_question", "-o", str(tmp_path / "out"))
    assert said.code == 3
    assert "The report is written; --no-tracking leaves MLflow out." in said.err
    assert (tmp_path / "out" / "report.html").exists()
