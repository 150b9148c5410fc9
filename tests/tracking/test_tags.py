import dataclasses
from pathlib import Path
from typing import Any

import pytest

from dymu.tracking.news import cells_of
from dymu.tracking.tags import (
    arm_tags,
    cell_tags,
    cost_values,
    folder_of,
    note_with_files,
    origin_tags,
    parent_tags,
)


def test_a_run_knows_study_question_arm_seed_and_addresses(
    study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "ada")
    manifest = study.manifest
    tags = {
        **arm_tags(manifest, manifest.arms[1], role="seed", parent_id="p"),
        **cell_tags(cells_of(manifest)[2]),
    }
    assert tags["dymu.study"] == "toy"
    assert tags["dymu.question"] == "Which parts matter?"
    assert (tags["dymu.arm"], tags["dymu.seed"]) == ("no-affinity", "0")
    assert tags["dymu.evaluation"] == "evaluate/no-affinity-0"
    assert tags["dymu.step.anchor"] == "anchor/shared-0"
    assert (tags["mlflow.parentRunId"], tags["mlflow.user"]) == ("p", "ada")
    assert tags["mlflow.source.name"] == "ablations.parts"


def test_overrides_of_the_command_line_are_marked(study: Any) -> None:
    arm = dataclasses.replace(study.manifest.arms[0], ad_hoc={"method.edge.active_threshold": 0.3})
    tags = arm_tags(study.manifest, arm, role="seed", parent_id="p")
    assert tags["dymu.ad_hoc"] == "method.edge.active_threshold=0.3"


def test_the_parent_shows_the_question(study: Any) -> None:
    assert parent_tags(study.manifest)["mlflow.note.content"] == "Which parts matter?\n\nTable 6"


def test_the_code_revision_is_told_if_it_is_known() -> None:
    assert origin_tags({"evaluate": {"git_revision": "abc", "git_dirty": True}}) == {
        "mlflow.source.git.commit": "abc",
        "dymu.git_dirty": "true",
    }
    assert origin_tags({"evaluate": {"git_revision": None, "git_dirty": None}}) == {}


def test_where_each_stage_ran_is_told_if_it_is_known() -> None:
    assert origin_tags({"edge": {"device": "cuda", "workers": 2}, "evaluate": {"device": "cpu"}}) == {
        "dymu.device.edge": "cuda",
        "dymu.workers.edge": "2",
        "dymu.device.evaluate": "cpu",
    }


def test_seconds_add_up_over_stages_and_those_of_a_gpu_count_for_each_worker() -> None:
    stages = {
        "edge": {"wall_s": 10.0, "cpu_s": 12.0, "device": "cuda", "workers": 2},
        "weight": {"wall_s": 4.0, "cpu_s": 5.0, "device": "cuda", "workers": 0},
        "evaluate": {"wall_s": 1.0, "cpu_s": 1.5, "device": "cpu"},
    }
    values = cost_values(stages)
    assert values["seconds/device/edge"] == 20.0
    assert (values["seconds/wall"], values["seconds/cpu"], values["seconds/device"]) == (15.0, 18.5, 24.0)
    assert "seconds/device/evaluate" not in values


def test_tables_and_figures_that_fit_become_the_description(study: Any, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("map.svg", "t.md", "t.csv", "map.png", "a#1.svg")]
    (tmp_path / "t.md").write_text("**T**\n\n| a | b |\n| :-- | --: |\n| 1 | 2 |\n")
    note = note_with_files(study.manifest, files, run_id="r1")["mlflow.note.content"]
    image = "![map](get-artifact?path=figures/map.svg&run_uuid=r1)"
    table = "**T**\n\n| a&ensp; | b |\n| :-- | --: |\n| 1&ensp; | 2 |"
    assert note == f"{table}\n\n{image} ![a#1](get-artifact?path=figures/a%231.svg&run_uuid=r1)"
    (tmp_path / "t.md").write_text("x" * 4990)
    assert note_with_files(study.manifest, files, run_id="r1") == {"mlflow.note.content": "x" * 4990}


def test_a_table_that_does_not_fit_leaves_the_question_in_the_description(study: Any, tmp_path: Path) -> None:
    (tmp_path / "t.md").write_text("x" * 5001)
    files = [tmp_path / "t.md", tmp_path / "map.svg"]
    note = note_with_files(study.manifest, files, run_id="r1")["mlflow.note.content"]
    assert note.startswith("Which parts matter?\n\nTable 6\n\n![map]")
    assert note_with_files(study.manifest, files[:1], run_id="r1") == {}
    assert note_with_files(study.manifest, [tmp_path / "t.csv"], run_id="r1") == {}


def test_each_kind_of_file_has_its_folder() -> None:
    names = ("a.svg", "a.pdf", "a.png", "t.md", "t.tex", "report.html")
    assert [folder_of(Path(name)) for name in names] == ["figures"] * 3 + ["tables"] * 2 + ["report"]


@pytest.mark.parametrize(
    ("name", "folder"), [("a.svg", "figures"), ("table.md", "tables"), ("report.html", "report")]
)
def test_files_have_folders_by_their_kind(name: str, folder: str) -> None:
    assert folder_of(Path(name)) == folder


def test_numbers_in_a_description_keep_what_belongs_to_them(study: Any, tmp_path: Path) -> None:
    rows = ("|  | HV c = 0 ↑ | Diff. |", "| :-- | --: | --: |", "| Ours | 19.6 ± 5.9 | -1 ± 2.5 (g -0.6) |")
    table = "\n".join((*rows, "", "- n = 3, ± 2"))
    (tmp_path / "t.md").write_text(table)
    note = note_with_files(study.manifest, [tmp_path / "t.md"], run_id="r1")["mlflow.note.content"]
    head, _, row, _, foot = note.splitlines()
    assert head == "| &ensp; | HV c\u00a0=\u00a00\u00a0↑&ensp; | Diff. |"
    assert row == "| Ours&ensp; | 19.6 ±\u00a05.9&ensp; | -1 ±\u00a02.5 (g\u00a0-0.6) |"
    assert foot == "- n = 3, ± 2"
