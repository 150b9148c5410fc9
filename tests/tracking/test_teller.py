from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dymu.tracking.cursor import Cursor, RunCursor
from dymu.tracking.news import Newsroom, cells_of
from dymu.tracking.teller import (
    FAILED,
    FINISHED,
    KILLED,
    MAX_BATCH,
    RUNNING,
    KnownRun,
    Teller,
    batches,
    open_ends,
    states_of,
)


class Memory:
    """A tracking server in this process."""

    def __init__(self) -> None:
        self.runs: dict[str, KnownRun] = {}
        self.names: dict[str, str] = {}
        self.told: list[tuple[str, str, int]] = []
        self.all_params: dict[str, dict[str, str]] = {}
        self.batch_sizes: list[int] = []

    def search(self, experiment_id: str, tag: str, value: str) -> list[KnownRun]:  # noqa: ARG002
        return [run for run in self.runs.values() if run.tags.get(tag) == value]

    def create(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> KnownRun:  # noqa: ARG002
        run = KnownRun(run_id=f"run{len(self.names)}", started_ms=1000, status=RUNNING, tags=dict(tags))
        self.runs[run.run_id] = run
        self.names[run.run_id] = name
        return run

    def delete(self, run_id: str) -> None:
        del self.runs[run_id]

    def set_status(self, run_id: str, status: str) -> None:
        self.runs[run_id].status = status

    def steps(self, run_id: str, metric: str) -> set[int]:
        return {step for run, key, step in self.told if (run, key) == (run_id, metric)}

    def metrics(self, run_id: str, metrics: Sequence[tuple[str, float, int, int]]) -> None:
        self.batch_sizes.append(len(metrics))
        assert all(time_ms == 1000 + step for _, _, time_ms, step in metrics)
        self.told += [(run_id, key, step) for key, _, _, step in metrics]

    def params(self, run_id: str, params: Mapping[str, str]) -> None:
        self.all_params.setdefault(run_id, {}).update(params)

    def tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        self.runs[run_id].tags = {**self.runs[run_id].tags, **tags}

    def form(self, run_id: str, form: Mapping[str, Any], name: str) -> None:
        pass

    def file(self, run_id: str, path: Path, folder: str) -> None:
        self.told.append((run_id, f"{folder}/{path.name}", 0))

    @property
    def statuses(self) -> dict[str, str]:
        return {self.names[run.run_id]: run.status for run in self.runs.values()}


@pytest.fixture
def cursor() -> Cursor:
    return Cursor(uri="memory", experiment_id="1")


@pytest.fixture
def server() -> Memory:
    return Memory()


def teller(study: Any, server: Memory, cursor: Cursor) -> Teller:
    return Teller(server, store=study.store, manifest=study.manifest, cursor=cursor, save=lambda _: None)


def tell(study: Any, server: Memory, cursor: Cursor) -> Teller:
    found = teller(study, server, cursor)
    found.tell(Newsroom(study.store, cells_of(study.manifest)).collect(cursor))
    return found


def test_a_shared_step_appears_in_the_run_of_each_arm(study: Any, server: Memory, cursor: Cursor) -> None:
    study.publish("baseline", 0, "anchor")
    tell(study, server, cursor)
    assert server.statuses == dict.fromkeys(["toy.parts", "baseline s0", "no-affinity s0"], RUNNING)
    assert server.all_params["run1"]["anchor.active_threshold"] == "0.2"


def test_telling_twice_with_one_cursor_tells_nothing_twice(
    study: Any, server: Memory, cursor: Cursor
) -> None:
    study.publish_all()
    tell(study, server, cursor)
    told = list(server.told)
    tell(study, server, cursor)
    assert server.told == told
    assert len(set(told)) == len(told)


def test_runs_are_found_without_a_cursor(study: Any, server: Memory, cursor: Cursor) -> None:
    study.publish_all()
    tell(study, server, cursor)
    count = len(server.runs)
    tell(study, server, Cursor(uri="memory", experiment_id="1"))
    assert len(server.runs) == count


@pytest.mark.parametrize(("arrived", "expected"), [(True, 7), (False, None)])
def test_the_fate_of_an_interrupted_batch_is_looked_up(
    study: Any, server: Memory, cursor: Cursor, arrived: bool, expected: int | None
) -> None:
    study.spool("baseline", 0).log(0, {"loss": 1.0})
    tell(study, server, cursor)
    (run,) = cursor.runs.values()
    run.sending = ("edge", "edge/loss", 7)
    del run.told["edge"]
    if arrived:
        server.told.append((run.run_id, "edge/loss", 7))
    teller(study, server, cursor)
    assert run.told.get("edge") == expected
    assert run.sending is None


def test_closing_gives_every_run_its_end(study: Any, server: Memory, cursor: Cursor) -> None:
    study.publish_all()
    study.arms = ("baseline", "no-affinity", "late", "bad")
    study.spool("late", 0).log(0, {"loss": 1.0})
    found = tell(study, server, cursor)
    found.close({("bad", 1): "not finite"}, {})
    assert server.statuses["baseline s0"] == FINISHED
    assert server.statuses["late s0"] == KILLED
    assert server.statuses["bad s1"] == FAILED
    assert server.statuses["toy.parts"] == FAILED
    assert server.statuses["baseline mean"] == FINISHED


def test_after_closing_there_are_no_open_ends(study: Any, server: Memory, cursor: Cursor) -> None:
    study.publish_all()
    files = {Path("table.md"): "digest"}
    tell(study, server, cursor).close({}, files)
    assert not open_ends(study.store, study.manifest, cursor, failed={}, files=files)
    assert open_ends(study.store, study.manifest, cursor, failed={}, files={Path("table.md"): "other"})
    assert open_ends(study.store, study.manifest, Cursor(uri="u"), failed={}, files=files)


def test_a_run_without_a_record_is_killed_or_failed(study: Any) -> None:
    first, second, *_ = cells_of(study.manifest)
    run = RunCursor(run_id="r", started_ms=0, complete=["anchor"])
    cursor = Cursor(uri="u", runs={first.key: run})
    states = states_of(study.manifest, cursor, {(second.arm, second.seed): "why"})
    assert (states[first.key], states[second.key]) == (KILLED, FAILED)


@given(st.lists(st.integers(min_value=0, max_value=700), max_size=30))
def test_batches_hold_whole_lines_in_order(sizes: list[int]) -> None:
    lines = [(step, {f"m{i}": 0.0 for i in range(size)}) for step, size in enumerate(sizes)]
    found = list(batches(lines))
    assert [line for batch in found for line in batch] == lines
    assert all(sum(len(metrics) for _, metrics in batch) <= MAX_BATCH for batch in found)
