import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.control import Control

from dymu.artifacts.store import Store
from dymu.errors import BackendError
from dymu.run.studylog import read_study_log, study_address, study_log


def shown() -> Console:
    return Console(file=io.StringIO(), width=40)


def test_what_is_printed_is_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYMU_SUBMISSION", "toy-1")
    console = shown()
    with study_log(store, ["a", "a.b"], console, b"") as both:
        both.print("[bold]done[/]", "well")
        both.note("only kept")
        both.print(Control.clear())
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().startswith("done well\n")
    for study in ("a", "a.b"):
        text = read_study_log(store, study)
        assert text is not None
        assert "job toy-1" in text.splitlines()[0]
        assert text.endswith("done well\nonly kept\n")


def test_logs_of_several_runs_follow_one_another(store: Store) -> None:
    for word in ("first", "second"):
        with study_log(store, ["a"], shown(), b"") as both:
            both.print(word)
    text = read_study_log(store, "a") or ""
    assert text.index("first") < text.index("second")
    assert text.count("---") == 2


def test_an_error_is_kept_too(store: Store) -> None:
    with pytest.raises(BackendError), study_log(store, ["a"], shown(), b""):
        raise BackendError("no node is large enough")
    assert "Error: no node is large enough" in (read_study_log(store, "a") or "")
    with pytest.raises(KeyboardInterrupt), study_log(store, ["a"], shown(), b""):
        raise KeyboardInterrupt
    assert "Ended by KeyboardInterrupt" in (read_study_log(store, "a") or "")


def test_the_difference_of_the_code_is_kept_under_its_digest(store: Store) -> None:
    with study_log(store, ["a"], shown(), b"patch"):
        pass
    (diff,) = store.work_dir(study_address("a")).glob("code-*.diff")
    assert diff.read_bytes() == b"patch"
    assert len(diff.stem) == len("code-") + 64


def test_a_study_that_never_ran_has_none(store: Store) -> None:
    assert read_study_log(store, "a") is None


def test_what_is_drawn_again_and_again_is_not_kept(store: Store, tmp_path: Path) -> None:
    with (tmp_path / "terminal").open("w") as file:
        terminal = Console(file=file, force_terminal=True, width=40)
        with study_log(store, ["a"], terminal, b"") as both:
            assert both.is_terminal
            both.print("[bold]x[/]")
    assert "\x1b" in (tmp_path / "terminal").read_text()
    assert "\x1b" not in (read_study_log(store, "a") or "")
