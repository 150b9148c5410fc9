import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.store import Store
from dymu.tracking.tags import NOTE_TAG, note_with_files

Dymu = Callable[..., Any]


def test_a_run_tells_failures_prints_the_table_and_draws_figures(question: tuple[Any, Path]) -> None:
    said, store = question
    assert said.code == 1
    assert "arm broken, seed 0: weight/" in said.err
    assert "failed at step 3: TrainingError: the loss of task left is not finite at step 3" in said.err
    assert "Table 6. Which part of a toy matters?" in said.out
    folder = store / "reports" / "toy_studies-ours.toy_question"
    assert f"Tables and figures: {folder}" in said.flat
    written = {path.name for path in folder.iterdir()}
    assert {"table.md", "table.csv", "table.tex", "curves-edge.svg", "curves-edge.png"} <= written


def test_what_a_run_draws_is_what_its_description_embeds(question: tuple[Any, Path]) -> None:
    _, place = question
    store = Store(place)
    folder = place / "reports" / "toy_studies-ours.toy_question"
    files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    note = note_with_files(store.manifest(folder.name), files, run_id="r1")[NOTE_TAG]
    assert "![preference_loss](get-artifact?path=figures/preference_loss.svg&run_uuid=r1)" in note


def test_the_same_run_again_is_answered_from_the_store(run_here: Dymu) -> None:
    assert run_here("toy_studies:ours").code == 0
    said = run_here("toy_studies:ours")
    assert said.code == 0
    assert "5 steps, all cached: nothing to run" in said.out


def test_an_arm_can_be_run_alone_and_its_table_names_what_is_missing(run_here: Dymu) -> None:
    said = run_here("toy_question", "--arm", "double")
    assert said.code == 0
    assert "missing" in said.out


def test_an_ad_hoc_run_enters_no_table(dymu: Dymu, run_here: Dymu) -> None:
    said = run_here("toy_studies:ours", "-o", "method.edge.scale=3", "--seed-list", "2")
    assert said.code == 0
    assert "Ad hoc overrides: no table" in said.out
    (manifest,) = Store(Path(os.environ["DYMU_STORE"])).manifests()
    assert manifest.arms[0].ad_hoc == {"method.edge.scale": 3.0}
    assert list(manifest.arms[0].steps) == ["2"]
    assert dymu("table", "--study", "toy_studies:ours").code == 4


def test_files_go_where_the_user_says(run_here: Dymu, tmp_path: Path) -> None:
    run_here("toy_studies:ours", "--out", str(tmp_path / "here"))
    assert (tmp_path / "here" / "table.md").exists()


class Silent:
    """A writer that tells nothing and knows a page."""

    def __init__(self, _: Store, manifest: Any, **given: Any) -> None:
        self.manifest = manifest
        self.page = given["tracking_uri"] or "http://127.0.0.1:5000"

    def sync(self) -> None:
        pass

    def finish(self, **_: Any) -> None:
        pass

    def url(self) -> str:
        return str(self.page)


def test_only_the_database_of_the_store_is_served_by_ui(dymu: Dymu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dymu.run.study.StudyWriter", Silent)
    run = ("run", "toy_studies:ours", "--backend", "local")
    assert "MLflow: http://127.0.0.1:5000 (`dymu ui` serves" in dymu(*run).flat
    said = dymu(*run, "--tracking-uri", "http://mlflow:5000")
    assert "MLflow: http://mlflow:5000" in said.flat
    assert "dymu ui" not in said.flat
