import dataclasses
import logging
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from requests.exceptions import ConnectionError as NoConnection

from dymu.artifacts.store import Store
from dymu.errors import TrackingError
from dymu.tracking import writer as writer_module
from dymu.tracking.mlflow import Server
from dymu.tracking.parcels import Parcel
from dymu.tracking.writer import StudyWriter


def rows(study: Any, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(study.store.mlflow_dir / "mlflow.db")) as database:
        return database.execute(query).fetchall()


def runs(study: Any) -> dict[str, str]:
    """Name to status of the runs that are not deleted."""
    return dict(rows(study, "SELECT name, status FROM runs WHERE lifecycle_stage = 'active' ORDER BY name"))


def steps(study: Any, run: str, metric: str = "edge/loss") -> list[int]:
    found = rows(
        study,
        "SELECT step FROM metrics JOIN runs USING (run_uuid) "
        f"WHERE name = '{run}' AND key = '{metric}' ORDER BY step",
    )
    return [step for (step,) in found]


def metric_rows(study: Any) -> int:
    ((count,),) = rows(study, "SELECT count(*) FROM metrics")
    return int(count)


def again(study: Any) -> StudyWriter:
    """What the next process does."""
    return StudyWriter(study.store, study.manifest)


def no_mlflow(_: str) -> Server:
    raise AssertionError("MLflow was asked although there is nothing to tell")


def test_a_study_becomes_one_parent_with_a_run_per_arm_and_seed(tracked: Any, writer: StudyWriter) -> None:
    tracked.publish_all()
    writer.sync()
    writer.finish({})
    assert runs(tracked) == dict.fromkeys(
        [
            "baseline mean",
            "baseline s0",
            "baseline s1",
            "no-affinity mean",
            "no-affinity s0",
            "no-affinity s1",
            "parts",
        ],
        "FINISHED",
    )
    ((parent,),) = rows(tracked, "SELECT run_uuid FROM runs WHERE name = 'parts'")
    children = rows(tracked, "SELECT DISTINCT value FROM tags WHERE key = 'mlflow.parentRunId'")
    assert children == [(parent,)]
    assert f"/#/experiments/1/runs/{parent}" in writer.url()


def test_params_curves_and_final_values_are_told(tracked: Any, writer: StudyWriter) -> None:
    tracked.publish_all()
    writer.finish({})
    params = rows(
        tracked, "SELECT key, value FROM params JOIN runs USING (run_uuid) WHERE name = 'baseline s1'"
    )
    assert {("arm", "baseline"), ("seed", "1"), ("edge.active_threshold", "0.2")} <= set(params)
    assert steps(tracked, "baseline s1") == [0, 1, 2]
    values = rows(
        tracked,
        "SELECT key, value FROM latest_metrics JOIN runs USING (run_uuid) WHERE name = 'no-affinity mean'",
    )
    assert dict(values)["HV/c0"] == pytest.approx(13.61)
    assert dict(values)["HV/c1/sd"] == pytest.approx(0.5**0.5)


def test_the_whole_config_and_the_revision_are_kept_with_the_run(tracked: Any, writer: StudyWriter) -> None:
    tracked.publish_all()
    writer.finish({})
    assert len(list((tracked.store.mlflow_dir / "artifacts").glob("*/artifacts/config.json"))) == 4
    assert rows(tracked, "SELECT DISTINCT value FROM tags WHERE key = 'mlflow.source.git.commit'") == [
        ("abc123",)
    ]


def test_a_second_process_with_nothing_to_tell_does_not_load_mlflow(
    tracked: Any, writer: StudyWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked.publish_all()
    writer.finish({})
    monkeypatch.setattr(writer_module, "Server", no_mlflow)
    second = again(tracked)
    second.sync()
    second.finish({})
    assert second.pending == 0
    assert second.url() == writer.url()


def test_importing_the_writer_does_not_import_mlflow() -> None:
    code = "import sys, dymu.tracking.writer; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_its_cursor_a_writer_tells_everything_again_and_doubles_nothing(
    tracked: Any, writer: StudyWriter
) -> None:
    tracked.publish_all()
    writer.finish({})
    before = runs(tracked), metric_rows(tracked)
    (tracked.store.mlflow_dir / "cursors" / "toy.parts.json").unlink()
    again(tracked).finish({})
    assert (runs(tracked), metric_rows(tracked)) == before


def test_curves_grow_while_a_step_runs_and_each_step_is_told_once(tracked: Any, writer: StudyWriter) -> None:
    spool = tracked.spool("baseline", 0)
    spool.log(0, {"loss": 1.0, "temperature": 5.0})
    writer.sync()
    assert steps(tracked, "baseline s0") == [0]
    assert runs(tracked)["baseline s0"] == "RUNNING"
    spool.rewind(0)
    spool.log(0, {"loss": 1.0, "temperature": 5.0})
    spool.log(1, {"loss": 0.5, "temperature": 4.0})
    writer.sync()
    tracked.publish("baseline", 0, "edge")
    writer.sync()
    assert steps(tracked, "baseline s0") == [0, 1, 2]
    assert list(runs(tracked)) == ["baseline s0", "parts"]


def test_a_crash_after_a_batch_arrived_doubles_no_step_even_if_the_rerun_differs(
    tracked: Any, writer: StudyWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked.spool("baseline", 0).log(0, {"loss": 1.0})
    tell = Server.log

    def tell_and_die(server: Server, run_id: str, parcel: Parcel) -> None:
        tell(server, run_id, parcel)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Server, "log", tell_and_die)
        with pytest.raises(KeyboardInterrupt):
            writer.sync()
    writer._lease.release()  # as the death of the process would
    spool = tracked.spool("baseline", 0)
    spool.rewind(0)
    spool.log(0, {"loss": 1.0000001})  # a GPU does not repeat itself to the last bit
    spool.log(1, {"loss": 0.5})
    again(tracked).sync()
    assert steps(tracked, "baseline s0") == [0, 1]


def test_a_crash_before_a_batch_arrived_loses_no_step(
    tracked: Any, writer: StudyWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked.spool("baseline", 0).log(0, {"loss": 1.0})

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Server, "log", die)
        with pytest.raises(KeyboardInterrupt):
            writer.sync()
    writer._lease.release()
    again(tracked).sync()
    assert steps(tracked, "baseline s0") == [0]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_server_that_goes_away_delays_the_telling_and_nothing_else(
    tracked: Any,
    writer: StudyWriter,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    clock: list[float],
) -> None:
    writer._uri = "http://127.0.0.1:9"
    opened: list[str] = []
    real = Server(f"sqlite:///{tracked.store.mlflow_dir / 'mlflow.db'}")

    def server(uri: str) -> Server:
        opened.append(uri)
        if len(opened) < 3:
            raise NoConnection("connection refused")
        return real

    monkeypatch.setattr(writer_module, "Server", server)
    spool = tracked.spool("baseline", 0)
    spool.log(0, {"loss": 1.0})
    writer.sync()
    writer.sync()  # too early, nobody is asked
    assert (len(opened), writer.pending) == (1, 1)
    spool.log(1, {"loss": 0.5})
    clock[0] += 3
    writer.sync()
    assert (len(opened), writer.pending) == (2, 2)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "connection refused" in caplog.text
    clock[0] += 3
    writer.sync()
    assert len(opened) == 2, "the second wait is longer than the first"
    clock[0] += 3
    writer.sync()
    assert (len(opened), writer.pending) == (3, 0)
    assert steps(tracked, "baseline s0") == [0, 1]
    assert "answers again" in caplog.text


def test_a_batch_that_arrived_though_the_answer_was_lost_is_not_told_twice(
    tracked: Any, writer: StudyWriter, monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    tell = Server.log
    fails = iter([True])

    def tell_and_lose(server: Server, run_id: str, parcel: Parcel) -> None:
        tell(server, run_id, parcel)
        if next(fails, False):
            raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(Server, "log", tell_and_lose)
    tracked.spool("baseline", 0).log(0, {"loss": 1.0})
    writer.sync()
    assert writer.pending == 1
    clock[0] += 3
    writer.sync()
    assert writer.pending == 0
    assert steps(tracked, "baseline s0") == [0]


def test_what_could_not_be_told_at_the_end_is_told_by_the_next_run(
    tracked: Any, writer: StudyWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> Server:
        raise NoConnection("connection refused")

    tracked.publish_all()
    with monkeypatch.context() as patch:
        patch.setattr(writer_module, "Server", away)
        writer._uri = "http://127.0.0.1:9"
        writer.finish({})
    assert writer.pending > 0
    again(tracked).finish({})
    assert set(runs(tracked).values()) == {"FINISHED"}


def test_a_folder_that_cannot_be_written_is_a_tracking_error(study: Any) -> None:
    study.publish_all()
    study.store.mlflow_dir.write_text("in the way")
    with pytest.raises(TrackingError, match=r"refused.*run the same command again"):
        StudyWriter(study.store, study.manifest).sync()


def test_a_database_that_cannot_be_opened_is_a_tracking_error_at_once(study: Any) -> None:
    study.publish_all()
    (study.store.mlflow_dir / "mlflow.db").mkdir(parents=True)
    began = time.monotonic()
    with pytest.raises(TrackingError, match="unable to open database file"):
        StudyWriter(study.store, study.manifest).sync()
    assert time.monotonic() - began < 60  # the library's own patience are 100 seconds


def test_a_failed_arm_is_failed_an_interrupted_one_killed_and_an_untouched_one_absent(
    tracked: Any, writer: StudyWriter
) -> None:
    for stage in ("anchor", "edge", "evaluate"):
        tracked.publish("baseline", 0, stage)
    tracked.spool("baseline", 1).log(0, {"loss": 1.0})
    writer.finish({("no-affinity", 1): "loss of left is nan at step 3"})
    assert runs(tracked) == {
        "baseline mean": "FINISHED",
        "baseline s0": "FINISHED",
        "baseline s1": "KILLED",
        "no-affinity s0": "KILLED",  # its anchor is there
        "no-affinity s1": "FAILED",
        "parts": "FAILED",
    }
    assert rows(tracked, "SELECT value FROM tags WHERE key = 'dymu.error'") == [
        ("loss of left is nan at step 3",)
    ]


def test_resuming_goes_on_in_the_same_runs(tracked: Any, writer: StudyWriter) -> None:
    tracked.spool("baseline", 0).log(0, {"loss": 1.0, "temperature": 5.0})
    writer.finish({})
    assert runs(tracked) == {"baseline s0": "KILLED", "parts": "KILLED"}
    before = set(rows(tracked, "SELECT run_uuid FROM runs"))
    tracked.publish_all()
    again(tracked).finish({})
    assert before < set(rows(tracked, "SELECT run_uuid FROM runs"))
    assert set(runs(tracked).values()) == {"FINISHED"}
    assert steps(tracked, "baseline s0") == [0, 1, 2]


def test_a_run_that_a_dead_process_left_running_is_adopted(tracked: Any, writer: StudyWriter) -> None:
    tracked.spool("baseline", 0).log(0, {"loss": 1.0})
    writer.sync()
    writer._lease.release()
    (tracked.store.mlflow_dir / "cursors" / "toy.parts.json").unlink()
    again(tracked).finish({})
    assert runs(tracked) == {"baseline s0": "KILLED", "parts": "KILLED"}


def test_a_changed_arm_gets_a_run_of_its_own_and_the_stale_one_is_closed(
    tracked: Any, writer: StudyWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked.spool("baseline", 0).log(0, {"loss": 1.0})
    writer.sync()
    writer._lease.release()
    monkeypatch.setattr(type(tracked), "address", lambda _, arm, seed, stage: f"{stage}/{arm}-{seed}-changed")
    tracked.publish_all()
    again(tracked).finish({})
    statuses = rows(tracked, "SELECT status FROM runs WHERE name = 'baseline s0' ORDER BY status")
    assert statuses == [("FINISHED",), ("KILLED",)]


def test_one_more_seed_replaces_the_means(tracked: Any, writer: StudyWriter) -> None:
    tracked.publish_all()
    writer.finish({})
    tracked.seeds = (0, 1, 2)
    tracked.publish_all()
    again(tracked).finish({})
    assert list(runs(tracked)).count("baseline mean") == 1
    seeds = rows(
        tracked,
        "SELECT p.value FROM params p JOIN runs USING (run_uuid) WHERE name = 'baseline mean' "
        "AND p.key = 'seeds' AND lifecycle_stage = 'active'",
    )
    assert seeds == [("0 1 2",)]


def test_a_run_that_was_deleted_in_the_page_comes_back_when_there_is_more_to_tell(
    tracked: Any, writer: StudyWriter
) -> None:
    tracked.spool("baseline", 0).log(0, {"loss": 1.0, "temperature": 5.0})
    writer.finish({})
    ((run_id,),) = rows(tracked, "SELECT run_uuid FROM runs WHERE name = 'baseline s0'")
    Server(writer._uri).client.delete_run(run_id)
    tracked.publish_all()
    again(tracked).finish({})
    assert runs(tracked)["baseline s0"] == "FINISHED"


def test_a_deleted_experiment_is_restored(tracked: Any, writer: StudyWriter) -> None:
    tracked.publish("baseline", 0, "anchor")
    writer.finish({})
    Server(writer._uri).client.delete_experiment("1")
    tracked.publish_all()
    again(tracked).finish({})
    assert rows(tracked, "SELECT lifecycle_stage FROM experiments WHERE name = 'toy'") == [("active",)]


def test_figures_and_tables_are_told_when_they_change(
    tracked: Any, writer: StudyWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked.publish_all()
    table, figure = tmp_path / "table.md", tmp_path / "map.png"
    table.write_text("first")
    figure.write_bytes(b"picture")
    writer.finish({}, [table, figure])
    (parent,) = (tracked.store.mlflow_dir / "artifacts").glob("*/artifacts/tables")
    assert (parent.parent / "figures" / "map.png").exists()
    with monkeypatch.context() as patch:
        patch.setattr(writer_module, "Server", no_mlflow)
        again(tracked).finish({}, [table, figure])
    table.write_text("second")
    again(tracked).finish({}, [table, figure])
    assert (parent / "table.md").read_text() == "second"


def test_one_process_at_a_time_tells_about_a_manifest(tracked: Any, clock: list[float]) -> None:
    tracked.publish_all()
    first, second = again(tracked), again(tracked)
    assert first._lease.try_acquire()
    second.sync()
    assert second.pending > 0
    assert runs(tracked) == {}
    first.finish({})
    before = metric_rows(tracked)
    clock[0] += 11
    second.sync()
    second.finish({})
    assert (second.pending, metric_rows(tracked)) == (0, before)
    assert set(runs(tracked).values()) == {"FINISHED"}


def test_whoever_tells_also_tells_what_another_process_added_to_the_study(tracked: Any) -> None:
    tracked.publish_all()
    tracked.store.save_manifest(tracked.manifest)
    first = again(tracked)
    first.sync()
    tracked.seeds = (2,)
    tracked.publish_all()
    tracked.store.save_manifest(tracked.manifest)
    second = again(tracked)
    second.finish({})
    assert second.pending > 0
    first.finish({})
    assert {"baseline s2", "no-affinity s2"} < set(runs(tracked))
    assert set(runs(tracked).values()) == {"FINISHED"}


def test_who_lost_the_right_to_tell_stops_telling(tracked: Any, clock: list[float]) -> None:
    writer = again(tracked)
    tracked.spool("baseline", 0).log(0, {"loss": 1.0})
    writer.sync()
    writer._lease.release()
    other = tracked.store.lease(writer._lease.address)
    assert other.try_acquire()
    tracked.spool("baseline", 0).log(1, {"loss": 0.5})
    writer.sync()
    assert (writer.pending, steps(tracked, "baseline s0")) == (1, [0])
    other.release()
    clock[0] += 11
    writer.sync()
    assert steps(tracked, "baseline s0") == [0, 1]


def test_thousands_of_values_take_little_time_and_go_in_whole_lines(
    tracked: Any, writer: StudyWriter
) -> None:
    spool = tracked.spool("baseline", 0)
    for step in range(700):
        spool.log(step, {f"loss_{task}": step + 0.5 for task in range(7)})
    began = time.process_time()
    writer.sync()
    assert time.process_time() - began < 5
    assert metric_rows(tracked) == 4900
    assert steps(tracked, "baseline s0", "edge/loss_3") == list(range(700))


def test_nothing_is_printed(tracked: Any, writer: StudyWriter, capfd: pytest.CaptureFixture[str]) -> None:
    tracked.publish_all()
    writer.finish({})
    assert capfd.readouterr() == ("", "")


def test_another_server_is_told_everything(
    tracked: Any, writer: StudyWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked.publish_all()
    writer.finish({})
    opened: list[str] = []

    def server(uri: str) -> Server:
        opened.append(uri)
        raise NoConnection("connection refused")

    monkeypatch.setattr(writer_module, "Server", server)
    elsewhere = StudyWriter(tracked.store, tracked.manifest, tracking_uri="http://127.0.0.1:9")
    elsewhere.finish({})
    assert opened == ["http://127.0.0.1:9"]
    assert elsewhere.pending > 0
    assert elsewhere.url() == "http://127.0.0.1:9"


def test_a_manifest_with_no_news_and_no_failures_makes_no_database(study: Any) -> None:
    writer = StudyWriter(Store(study.store.root), dataclasses.replace(study.manifest))
    writer.sync()
    writer.finish({})
    assert not study.store.mlflow_dir.exists()
    assert writer.url() == "http://127.0.0.1:5000"


def test_a_report_is_kept_by_a_study_that_was_told(tracked: Any, writer: StudyWriter, tmp_path: Path) -> None:
    tracked.publish_all()
    writer.sync()
    writer.finish({})
    before = runs(tracked)
    page = tmp_path / "report.html"
    page.write_text("<!DOCTYPE html>")
    assert again(tracked).keep([page])
    (kept,) = tracked.store.mlflow_dir.glob("artifacts/**/report.html")
    assert kept.read_text() == "<!DOCTYPE html>"
    assert kept.parent.name == "report"
    assert runs(tracked) == before


def test_a_study_that_nobody_told_keeps_no_report(
    study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "Server", no_mlflow)
    page = tmp_path / "report.html"
    page.write_text("<!DOCTYPE html>")
    assert not again(study).keep([page])
