import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dymu.tracking.cursor import Cursor, RunCursor
from dymu.tracking.faults import Busy
from dymu.tracking.news import Newsroom, cells_of
from dymu.tracking.parcels import Parcel
from dymu.tracking.teller import (
    FAILED,
    FINISHED,
    KILLED,
    RUNNING,
    SCHEDULED,
    KnownRun,
    Teller,
    open_ends,
    states_of,
)


class Memory:
    """A tracking server in this process."""

    def __init__(self) -> None:
        self.runs: dict[str, KnownRun] = {}
        self.names: dict[str, str] = {}
        self.told: list[tuple[str, str, int]] = []
        self.files: list[str] = []
        self.experiment_tags: list[tuple[str, str]] = []
        self.requests = 0

    def search(self, experiment_id: str, tag: str, value: str) -> list[KnownRun]:  # noqa: ARG002
        return [copy.deepcopy(run) for run in self.runs.values() if run.tags.get(tag) == value]

    def create(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> KnownRun:  # noqa: ARG002
        self.requests += 1
        run = KnownRun(run_id=f"run{len(self.names)}", started_ms=1000, status=RUNNING, tags=dict(tags))
        self.runs[run.run_id] = run
        self.names[run.run_id] = name
        return copy.deepcopy(run)

    def delete(self, run_id: str) -> None:
        self.requests += 1
        del self.runs[run_id]

    def set_status(self, run_id: str, status: str) -> None:
        self.requests += 1
        self.runs[run_id].status = status

    def log(self, run_id: str, parcel: Parcel) -> None:
        self.requests += 1
        run = self.runs[run_id]
        for key, text in parcel.params.items():
            assert run.params.setdefault(key, text) == text, "params never change"
        run.tags |= parcel.tags
        for key, _, time_ms, step in parcel.metrics:
            assert time_ms == 1000 + step
            self.told.append((run_id, key, step))
            run.last_steps[key] = max(step, run.last_steps.get(key, 0))

    def form(self, run_id: str, form: Mapping[str, Any], name: str) -> None:  # noqa: ARG002
        self.requests += 1

    def file(self, run_id: str, path: Path, folder: str) -> None:  # noqa: ARG002
        self.requests += 1
        self.files.append(f"{folder}/{path.name}")

    def tag_experiment(self, experiment_id: str, key: str, value: str) -> None:
        assert experiment_id == "1"
        self.requests += 1
        self.experiment_tags.append((key, value))

    @property
    def statuses(self) -> dict[str, str]:
        return {self.names[run.run_id]: run.status for run in self.runs.values()}

    def run(self, name: str) -> KnownRun:
        (found,) = (run for run in self.runs.values() if self.names[run.run_id] == name)
        return found


@pytest.fixture
def cursor() -> Cursor:
    return Cursor(uri="memory", experiment_id="1")


@pytest.fixture
def server() -> Memory:
    return Memory()


def teller(study: Any, server: Memory, cursor: Cursor, **facts: str) -> Teller:
    return Teller(
        server, store=study.store, manifest=study.manifest, cursor=cursor, facts=facts, fence=lambda: None
    )


def tell(study: Any, server: Memory, cursor: Cursor, **facts: str) -> Teller:
    found = teller(study, server, cursor, **facts)
    found.tell(Newsroom(study.store, cells_of(study.manifest)).collect(cursor))
    return found


def test_a_shared_step_appears_in_the_run_of_each_arm(study: Any, server: Memory, cursor: Cursor) -> None:
    study.publish("baseline", 0, "anchor")
    tell(study, server, cursor)
    assert server.statuses == dict.fromkeys(["parts", "baseline s0", "no-affinity s0"], RUNNING)
    assert server.run("no-affinity s0").params["anchor.active_threshold"] == "0.2"


def test_telling_twice_tells_nothing_twice(study: Any, server: Memory, cursor: Cursor) -> None:
    study.publish_all()
    tell(study, server, cursor).close({}, {})
    told, requests = list(server.told), server.requests
    tell(study, server, Cursor(uri="memory", experiment_id="1")).close({}, {})
    assert len(set(told)) == len(told)
    assert (server.told, server.requests) == (told, requests)


def test_a_whole_arm_takes_four_requests(study: Any, server: Memory, cursor: Cursor) -> None:
    study.publish_all()
    tell(study, server, cursor)
    view = 2 + 2  # before the first result, and with its columns
    assert server.requests == 1 + view + 4 * 4  # the parent; and per run: create, log, config, finish


def test_a_cursor_that_claims_more_than_the_server_has_is_corrected(
    study: Any, server: Memory, cursor: Cursor
) -> None:
    study.publish_all()
    tell(study, server, cursor).close({}, {})
    empty = Memory()
    tell(study, empty, cursor).close({}, {})
    assert sorted(empty.told) == sorted(server.told)
    assert empty.statuses == server.statuses


def test_a_run_is_told_from_where_its_server_is(study: Any, server: Memory, cursor: Cursor) -> None:
    spool = study.spool("baseline", 0)
    spool.log(0, {"loss": 1.0})
    spool.log(1, {"loss": 0.5, "temperature": 2.0})
    tell(study, server, cursor)
    spool.rewind(1)
    spool.log(1, {"loss": 0.50001})  # a GPU does not repeat itself to the last bit
    spool.log(2, {"loss": 0.4})
    tell(study, server, Cursor(uri="memory", experiment_id="1"))
    assert [step for _, key, step in server.told if key == "edge/loss"] == [0, 1, 2]


def test_closing_gives_every_run_its_end(study: Any, server: Memory, cursor: Cursor) -> None:
    study.publish_all()
    study.arms = ("baseline", "no-affinity", "late", "bad")
    study.spool("late", 0).log(0, {"loss": 1.0})
    found = tell(study, server, cursor)
    found.close({("bad", 1): "not finite"}, {})
    assert server.statuses["baseline s0"] == FINISHED
    assert server.statuses["late s0"] == KILLED
    assert server.statuses["bad s1"] == FAILED
    assert server.statuses["parts"] == FAILED
    assert server.statuses["baseline mean"] == FINISHED
    assert server.run("bad s1").tags["dymu.error"] == "not finite"


def test_a_study_that_was_announced_and_stopped_is_closed(study: Any, server: Memory, cursor: Cursor) -> None:
    found = teller(study, server, cursor, job="job-7")
    found.schedule()
    assert server.statuses == {"parts": SCHEDULED}
    assert server.run("parts").tags["job"] == "job-7"
    found.close({}, {})
    assert server.statuses == {"parts": KILLED}


def test_facts_about_the_last_job_are_told_when_work_begins_again(
    study: Any, server: Memory, cursor: Cursor
) -> None:
    teller(study, server, cursor, job="job-7").schedule()
    study.spool("baseline", 0).log(0, {"loss": 1.0})
    tell(study, server, cursor, job="job-8")
    assert server.run("parts").tags["job"] == "job-8"
    assert server.statuses["parts"] == RUNNING


def test_a_study_of_which_nothing_happened_makes_no_run(study: Any, server: Memory, cursor: Cursor) -> None:
    teller(study, server, cursor).close({}, {})
    assert server.runs == {}


def test_of_two_runs_with_one_identity_the_older_stays(study: Any, server: Memory, cursor: Cursor) -> None:
    study.spool("baseline", 0).log(0, {"loss": 1.0})
    tell(study, server, cursor)
    first = server.run("baseline s0")
    double = server.create("1", "double", first.tags)
    teller(study, server, cursor)
    assert first.run_id in server.runs
    assert double.run_id not in server.runs


def test_children_of_a_deleted_parent_get_another(study: Any, server: Memory, cursor: Cursor) -> None:
    study.spool("baseline", 0).log(0, {"loss": 1.0})
    tell(study, server, cursor)
    server.delete(server.run("parts").run_id)
    study.spool("baseline", 0).log(1, {"loss": 1.0})
    tell(study, server, cursor)
    assert server.run("baseline s0").tags["mlflow.parentRunId"] == server.run("parts").run_id


def test_a_param_that_is_spelled_otherwise_stays_as_it_is(study: Any, server: Memory, cursor: Cursor) -> None:
    study.spool("baseline", 0).log(0, {"loss": 1.0})
    tell(study, server, cursor)
    server.run("baseline s0").params["edge.steps"] = "three"
    study.publish("baseline", 0, "edge")
    tell(study, server, cursor)
    assert server.run("baseline s0").params["edge.steps"] == "three"


def test_seconds_and_places_of_all_stages_are_told_with_the_result(
    study: Any, server: Memory, cursor: Cursor
) -> None:
    study.publish_all()
    tell(study, server, cursor)
    run = server.run("baseline s0")
    assert {"seconds/wall", "seconds/cpu", "seconds/wall/edge", "seconds/cpu/evaluate"} <= set(run.last_steps)
    assert run.tags["dymu.git_dirty"] == "false"


def test_after_closing_there_are_no_open_ends(study: Any, server: Memory, cursor: Cursor) -> None:
    study.publish_all()
    files = {Path("table.csv"): "digest"}
    tell(study, server, cursor).close({}, files)
    assert not open_ends(study.store, study.manifest, cursor, failed={}, files=files)
    assert open_ends(study.store, study.manifest, cursor, failed={}, files={Path("table.csv"): "other"})
    assert open_ends(study.store, study.manifest, Cursor(uri="u"), failed={}, files=files)


def test_files_are_told_once_whoever_tells_them(study: Any, server: Memory, cursor: Cursor) -> None:
    study.publish_all()
    files = {Path("table.csv"): "digest", Path("map.png"): "other"}
    tell(study, server, cursor).close({}, files)
    tell(study, server, Cursor(uri="memory", experiment_id="1")).close({}, files)
    assert server.files == ["tables/table.csv", "figures/map.png"]


def test_whoever_must_not_tell_tells_nothing(study: Any, server: Memory, cursor: Cursor) -> None:
    study.publish_all()

    def fence() -> None:
        raise Busy("taken over")

    found = Teller(server, store=study.store, manifest=study.manifest, cursor=cursor, facts={}, fence=fence)
    with pytest.raises(Busy):
        found.tell(Newsroom(study.store, cells_of(study.manifest)).collect(cursor))
    with pytest.raises(Busy):
        found.close({}, {Path("table.csv"): "digest"})
    assert server.requests == 0


def test_a_run_without_a_record_is_killed_or_failed(study: Any) -> None:
    first, second, *_ = cells_of(study.manifest)
    run = RunCursor(run_id="r", started_ms=0, complete=["anchor"])
    cursor = Cursor(uri="u", runs={first.key: run})
    states = states_of(study.manifest, cursor, {(second.arm, second.seed): "why"})
    assert (states[first.key], states[second.key]) == (KILLED, FAILED)


def test_the_parent_shows_its_tables_also_while_it_is_told_more(
    study: Any, server: Memory, cursor: Cursor, tmp_path: Path
) -> None:
    study.publish_all()
    table = tmp_path / "table.md"
    table.write_text("| arm | value |")
    tell(study, server, cursor).close({}, {table: "digest"})
    shown = "| arm&ensp; | value |"
    assert server.run("parts").tags["mlflow.note.content"] == shown
    study.seeds = (0, 1, 2)
    study.publish_all()
    tell(study, server, cursor)
    assert server.run("parts").tags["mlflow.note.content"] == shown


def test_the_arms_get_a_view_before_anything_runs(study: Any, server: Memory, cursor: Cursor) -> None:
    teller(study, server, cursor).schedule()
    ((_, value),) = server.experiment_tags
    assert "arms of parts" in value


def test_the_view_gets_columns_with_the_first_result_and_then_stays(
    study: Any, server: Memory, cursor: Cursor
) -> None:
    teller(study, server, cursor).schedule()
    study.publish_all()
    tell(study, server, cursor)
    assert len(server.experiment_tags) == 2
    assert "metrics.`HV/c0`" in server.experiment_tags[-1][1]
    study.seeds = (0, 1, 2)
    study.publish_all()
    tell(study, server, cursor).close({}, {})
    assert len(server.experiment_tags) == 2, "a user may have changed it"


def test_the_view_of_a_parent_that_was_deleted_keeps_its_columns(
    study: Any, server: Memory, cursor: Cursor
) -> None:
    study.publish_all()
    tell(study, server, cursor).close({}, {})
    server.delete(server.run("parts").run_id)
    teller(study, server, Cursor(uri="memory", experiment_id="1")).close({}, {})
    assert "metrics.`HV/c0`" in server.experiment_tags[-1][1]


def test_a_report_is_kept_with_the_parent_and_no_run_changes(
    study: Any, server: Memory, cursor: Cursor, tmp_path: Path
) -> None:
    study.publish("baseline", 0, "anchor")
    told = tell(study, server, cursor)
    before = server.statuses
    told.keep({tmp_path / "report.html": "digest"})
    assert server.files == ["report/report.html"]
    assert server.statuses == before
    assert server.run("parts").tags["mlflow.dymu.file.report.html"] == "digest"


def test_a_file_that_is_kept_already_is_not_sent_again(
    study: Any, server: Memory, cursor: Cursor, tmp_path: Path
) -> None:
    study.publish_all()
    tell(study, server, cursor).close({}, {})
    for digest in ("one", "one", "two"):
        teller(study, server, Cursor(uri="memory", experiment_id="1")).keep(
            {tmp_path / "report.html": digest}
        )
    assert server.files == ["report/report.html"] * 2
