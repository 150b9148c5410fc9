import json
from pathlib import Path

import pytest

from dymu.artifacts.store import Store
from dymu.run.work import ERROR, Failure, Progress, read_failure, read_json, read_progress
from dymu.tracking.spool import Spool

ADDRESS = "edge/0011223344556677"


def test_progress_is_what_the_step_told(store: Store) -> None:
    spool = Spool(store.work_dir(ADDRESS), address=ADDRESS)
    spool.progress(3, 10, state="interrupted")
    told = read_progress(store, ADDRESS)
    assert (told.state, told.step, told.total) == ("interrupted", 3, 10)


def test_a_step_that_told_nothing_waits(store: Store) -> None:
    assert read_progress(store, ADDRESS) == Progress()
    assert not (store.root / "work").exists()  # looking makes nothing


@pytest.mark.parametrize(
    ("progress", "left"),
    [
        (Progress(state="running", step=20, total=100, rate=4.0), 20.0),
        (Progress(state="running", step=20, total=100, rate=0.0), None),
        (Progress(state="running", step=0, total=0, rate=4.0), None),
        (Progress(state="interrupted", step=20, total=100, rate=4.0), None),
    ],
)
def test_remaining_time_needs_a_rate_and_an_end(progress: Progress, left: float | None) -> None:
    assert progress.seconds_left == left


def test_a_failure_names_step_error_and_log(store: Store) -> None:
    form = {"type": "TrainingError", "message": "the loss is nan", "step": 7}
    (store.work_dir(ADDRESS) / ERROR).write_text(json.dumps(form))
    failure = read_failure(store, ADDRESS)
    assert failure is not None
    assert failure.text.startswith(f"{ADDRESS} failed at step 7: TrainingError: the loss is nan\n  log: ")
    assert failure.log.endswith(f"{ADDRESS}/log.txt")


def test_without_log_none_is_named() -> None:
    failure = Failure(address=ADDRESS, kind="OSError", message="disk full", step=None, log="")
    assert failure.text == f"{ADDRESS} failed: OSError: disk full"


def test_no_error_no_failure(store: Store) -> None:
    assert read_failure(store, ADDRESS) is None


def test_half_written_files_are_empty(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text('{"a": 1')
    assert read_json(tmp_path / "half.json") == {}
    assert read_json(tmp_path / "none.json") == {}
