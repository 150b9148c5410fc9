"""The verb ``report``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
