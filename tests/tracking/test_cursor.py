from pathlib import Path

import pytest

from dymu.tracking.cursor import Cursor, RunCursor, load_cursor


def some_cursor() -> Cursor:
    run = RunCursor(run_id="r", started_ms=5, told={"edge": 7}, complete=["anchor"])
    return Cursor(
        uri="sqlite:///x", experiment_id="1", parent=RunCursor(run_id="p", started_ms=1), runs={"k": run}
    )


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    some_cursor().save(tmp_path / "deep" / "toy.parts.json")
    assert load_cursor(tmp_path / "deep" / "toy.parts.json", "sqlite:///x") == some_cursor()


def test_saving_leaves_one_file(tmp_path: Path) -> None:
    some_cursor().save(tmp_path / "toy.parts.json")
    some_cursor().save(tmp_path / "toy.parts.json")
    assert [path.name for path in tmp_path.iterdir()] == ["toy.parts.json"]


def test_a_cursor_about_another_server_is_not_used(tmp_path: Path) -> None:
    some_cursor().save(tmp_path / "c.json")
    assert load_cursor(tmp_path / "c.json", "http://other") == Cursor(uri="http://other")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 1, "uri": "u"}', '{"format": 99, "uri": "u"}']
)
def test_what_is_no_cursor_counts_as_nothing_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "c.json").write_text(content)
    assert load_cursor(tmp_path / "c.json", "u") == Cursor(uri="u")
