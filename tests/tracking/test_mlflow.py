"""A whole study told through MLflow's own client to a server that fails at every point in turn."""

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dymu.errors import BackendError, TrackingError
from dymu.run.jobs.postgres import find_programs
from dymu.tracking.mlflow import Server, create_database
from dymu.tracking.writer import StudyWriter
from tests.tracking.fake_mlflow import FakeMlflow, Run, serving
from tests.tracking.real_mlflow import RealPostgres, RealServer, real_server

TABLE = "table.md"


class Death(BaseException):
    """Stands for kill -9: nothing that the process would do afterwards is done."""


@pytest.fixture
def server() -> Iterator[FakeMlflow]:
    with serving(FakeMlflow()) as served:
        yield served


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("dymu.tracking.writer.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def small(study: Any, tmp_path: Path) -> Any:
    study.arms = ("baseline", "late")
    study.seeds = (0,)
    study.table = tmp_path / TABLE
    study.table.write_text("a table")
    return study


def work(study: Any) -> Iterator[None]:
    """A study on its way: each step of this is followed by a sync."""
    spool = study.spool("baseline", 0)
    spool.log(0, {"loss": 1.0, "temperature": 5.0})
    yield
    spool.log(1, {"loss": 0.5, "temperature": 4.0})
    study.publish("baseline", 0, "anchor")
    yield
    study.publish("baseline", 0, "edge")
    study.publish("baseline", 0, "evaluate")
    study.spool("late", 0).log(0, {"loss": 2.0})
    yield


def tell(study: Any, server: FakeMlflow, *, after: Callable[[], None] = lambda: None) -> None:
    """One process tells a study from its beginning or wherever it is, and closes it."""
    writer = StudyWriter(study.store, study.manifest, tracking_uri=server.uri)
    for _ in work(study):
        writer.sync()
        after()
    writer.finish({("late", 0): "loss is nan"}, [study.table])


def expected(study: Any) -> dict[str, object]:
    """What a server knows at the end if nothing goes wrong."""
    with serving(FakeMlflow()) as calm:
        tell(study, calm)
        assert calm.statuses == {
            "baseline mean": "FINISHED",
            "baseline s0": "FINISHED",
            "late s0": "FAILED",
            "parts": "FAILED",
        }
        assert calm.steps("baseline s0", "edge/loss") == [0, 1, 2]
        study.calm_requests = len(calm.requests)
        return calm.told


def requests_of(study: Any) -> int:
    return int(study.calm_requests)


def again(study: Any, folder: Path) -> Any:
    """The same study in another store, where nothing happened yet."""
    other = type(study)(store=type(study.store)(folder), arms=study.arms, seeds=study.seeds)
    other.table = study.table
    return other


def test_a_study_is_told_in_few_requests(small: Any, server: FakeMlflow) -> None:
    tell(small, server)
    assert len(server.requests) <= 30
    kinds = {request.rpartition("/")[2] for request in server.requests}
    assert kinds >= {"search", "create", "log-batch", "update", "config.json", TABLE}


@pytest.mark.parametrize("fault", ["before", "after", "half"])
def test_a_writer_that_dies_at_any_request_leaves_nothing_that_the_next_does_not_mend(
    small: Any, fault: str, tmp_path: Path
) -> None:
    wanted = expected(small)
    for moment in range(requests_of(small)):
        study = again(small, tmp_path / f"store-{moment}")
        with serving(FakeMlflow()) as server:
            server.fault = lambda number, moment=moment: fault if number == moment else None  # type: ignore[misc]

            def die_if_it_failed(server: FakeMlflow = server, moment: int = moment) -> None:
                if len(server.requests) > moment:
                    raise Death

            writer_died = False
            try:
                tell(study, server, after=die_if_it_failed)
            except Death:
                writer_died = True
            told_by_then = len(server.requests)
            for run in server.active:
                assert run.stage == "active"
            study.store.root.joinpath("leases").rename(tmp_path / f"dead-{moment}")  # as its death would
            tell(study, server)
            assert server.told == wanted, (fault, moment, writer_died, server.requests[told_by_then:])


def test_a_server_that_loses_everything_in_between_is_told_everything_again(
    small: Any, tmp_path: Path
) -> None:
    wanted = expected(small)
    for moment in range(3, requests_of(small)):
        study = again(small, tmp_path / f"store-{moment}")
        with serving(FakeMlflow()) as server:

            def lose(number: int, server: FakeMlflow = server, moment: int = moment) -> None:
                if number == moment:
                    server.clear()

            server.fault = lose
            tell(study, server)
            assert server.told == wanted, moment


def test_a_server_that_lost_everything_since_is_told_again_by_the_same_command(
    small: Any, server: FakeMlflow
) -> None:
    tell(small, server)
    wanted = server.told
    server.clear()
    tell(small, server)
    assert server.told == wanted


def test_a_finished_study_costs_two_requests(small: Any, server: FakeMlflow) -> None:
    tell(small, server)
    before = len(server.requests)
    writer = StudyWriter(small.store, small.manifest, tracking_uri=server.uri)
    writer.sync()
    writer.finish({("late", 0): "loss is nan"}, [small.table])
    assert server.requests[before:] == [
        "GET /api/2.0/mlflow/experiments/get-by-name",
        "POST /api/2.0/mlflow/runs/search",
    ]


def test_without_the_files_of_the_first_node_a_second_tells_nothing_twice(
    small: Any, server: FakeMlflow, tmp_path: Path
) -> None:
    tell(small, server)
    wanted, before = server.told, len(server.requests)
    other_node = again(small, tmp_path / "mirror")
    tell(other_node, server)
    assert server.told == wanted
    assert [request for request in server.requests[before:] if "log-batch" in request] == []


@pytest.mark.parametrize("fault", ["500", "503", "429", "before", "after"])
def test_a_server_that_is_away_for_a_while_is_told_every_step_once(
    small: Any, server: FakeMlflow, clock: list[float], fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = expected(small)
    server.fault = lambda number: fault if 4 <= number < 8 else None
    writer = StudyWriter(small.store, small.manifest, tracking_uri=server.uri)
    for _ in work(small):
        for _ in range(4):
            clock[0] += 130
            writer.sync()
    writer.finish({("late", 0): "loss is nan"}, [small.table])
    assert server.told == wanted
    warned = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 2
    assert "cannot be told now" in warned[0]
    assert "answers again" in warned[1]


def test_a_server_that_hangs_holds_up_nothing_for_long(
    small: Any, server: FakeMlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    server.hang_s = 2.0
    server.fault = lambda number: "hang" if number == 2 else None
    small.publish_all()
    writer = StudyWriter(small.store, small.manifest, tracking_uri=server.uri)
    began = time.monotonic()
    writer.sync()
    assert time.monotonic() - began < 60  # the client's own patience are minutes
    assert writer.pending > 0
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    writer.finish({})
    assert writer.pending == 0
    assert set(server.statuses.values()) == {"FINISHED"}


def test_a_host_name_that_the_server_does_not_accept_is_explained(small: Any, server: FakeMlflow) -> None:
    refusal = "Invalid Host header - possible DNS rebinding attack detected"
    server.fault = lambda _: "403"
    server.message = refusal
    small.publish_all()
    with pytest.raises(TrackingError, match=r"--allowed-hosts 127\.0\.0\.1:\d+.*results are safe") as caught:
        StudyWriter(small.store, small.manifest, tracking_uri=server.uri).sync()
    assert refusal in str(caught.value)


@pytest.mark.parametrize(("status", "says"), [("401", "MLFLOW_TRACKING_USERNAME"), ("404", "refused")])
def test_a_server_that_refuses_ends_the_telling_at_once(
    small: Any, server: FakeMlflow, status: str, says: str
) -> None:
    server.fault = lambda _: status
    server.message = "no"
    small.publish_all()
    with pytest.raises(TrackingError, match=says):
        StudyWriter(small.store, small.manifest, tracking_uri=server.uri).sync()
    assert len(server.requests) == 1


def test_a_run_whose_creation_was_answered_too_late_is_not_there_twice(
    small: Any, server: FakeMlflow, clock: list[float]
) -> None:
    small.spool("baseline", 0).log(0, {"loss": 1.0})
    writer = StudyWriter(small.store, small.manifest, tracking_uri=server.uri)
    writer.sync()
    first = next(run for run in server.active if run.name == "baseline s0")
    server.runs["f" * 32] = Run(
        run_id="f" * 32,
        experiment_id=first.experiment_id,
        name="baseline s0 again",
        started_ms=first.started_ms + 1,
        tags=dict(first.tags),
    )
    moment = len(server.requests)
    server.fault = lambda number: "503" if number == moment else None
    small.spool("baseline", 0).log(1, {"loss": 0.5})
    writer.sync()
    clock[0] += 3
    writer.sync()
    assert sorted(server.statuses) == ["baseline s0", "parts"]
    assert server.runs["f" * 32].status == "KILLED"
    assert server.steps("baseline s0", "edge/loss") == [0, 1]


def test_a_study_can_be_announced_before_it_runs(small: Any, server: FakeMlflow) -> None:
    facts = {"dymu.submission": "toy-1"}
    here = StudyWriter(small.store, small.manifest, tracking_uri=server.uri, facts=facts)
    here.announce()
    assert server.statuses == {"parts": "SCHEDULED"}
    there = StudyWriter(small.store, small.manifest, tracking_uri=server.uri, facts={"dymu.job": "01000000"})
    small.spool("baseline", 0).log(0, {"loss": 1.0})
    there.sync()
    assert there.url() == here.url()
    (parent,) = (run for run in server.active if run.name == "parts")
    assert (parent.status, parent.tags["dymu.submission"]) == ("RUNNING", "toy-1")
    assert parent.tags["dymu.job"] == "01000000"
    there.finish({})
    assert server.statuses == {"baseline s0": "KILLED", "parts": "KILLED"}


def test_what_a_dead_driver_left_open_is_closed_by_whoever_stops_the_study(
    small: Any, server: FakeMlflow, tmp_path: Path
) -> None:
    small.spool("baseline", 0).log(0, {"loss": 1.0})
    StudyWriter(small.store, small.manifest, tracking_uri=server.uri).sync()
    assert set(server.statuses.values()) == {"RUNNING"}
    elsewhere = again(small, tmp_path / "mirror")
    StudyWriter(elsewhere.store, small.manifest, tracking_uri=server.uri).finish({})
    assert server.statuses == {"baseline s0": "KILLED", "parts": "KILLED"}


def test_a_password_reaches_neither_messages_nor_files(
    small: Any, server: FakeMlflow, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    uri = server.uri.replace("//", "//ada:s3cr%40t@")
    small.spool("baseline", 0).log(0, {"loss": 1.0})
    writer = StudyWriter(small.store, small.manifest, tracking_uri=uri)
    writer.sync()
    server.fault = lambda _: "before"
    small.spool("baseline", 0).log(1, {"loss": 1.0})
    writer.sync()
    server.fault = lambda _: "403"
    clock[0] += 3
    with pytest.raises(TrackingError) as caught:
        writer.sync()
    texts = [str(caught.value), caplog.text, writer.url(), json.dumps(server.told)]
    texts += [path.read_text() for path in (small.store.root / "mlflow").rglob("*") if path.is_file()]
    assert "cannot be told now" in caplog.text
    assert not [text for text in texts if "s3cr" in text]
    assert writer.url().startswith(server.uri)


def test_nothing_is_printed(small: Any, server: FakeMlflow, capfd: pytest.CaptureFixture[str]) -> None:
    tell(small, server)
    assert capfd.readouterr() == ("", "")


def test_an_experiment_that_another_machine_creates_at_the_same_time_is_shared(
    server: FakeMlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Server(server.uri)
    look = client.client.get_experiment_by_name
    looked: list[str] = []

    def look_too_early(name: str) -> Any:
        looked.append(name)
        if len(looked) == 1:
            server.experiments[name] = "7"
            return None
        return look(name)

    monkeypatch.setattr(client.client, "get_experiment_by_name", look_too_early)
    assert client.experiment("toy", None) == "7"
    assert len(looked) == 2


def test_an_empty_database_writes_ahead(tmp_path: Path) -> None:
    create_database(tmp_path / "m.db")
    assert (tmp_path / "m.db").read_bytes()[18:20] == b"\x02\x02"  # SQLite's mark of that mode


# --- a real server -----------------------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]


def slowly_told(study: Any, uri: str, *, pause_s: float) -> subprocess.Popen[str]:
    """Another process that tells a study and closes it."""
    study.store.save_manifest(study.manifest)
    words = [study.store.root, study.manifest.name, uri, pause_s]
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "tracking" / "tell_slowly.py"), *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        text=True,
    )


def check_all_told(study: Any, server: RealServer) -> None:
    statuses = server.statuses("toy")
    assert set(statuses.values()) == {"FINISHED"}
    assert len(statuses) == len(study.arms) * (len(study.seeds) + 1) + 1
    for arm in study.arms:
        for seed in study.seeds:
            assert server.steps("toy", f"{arm} s{seed}", "edge/loss") == [0, 1, 2]
            assert server.files("toy", f"{arm} s{seed}") == ["config.json"]
    assert server.twice("toy") == []


@pytest.mark.slow
def test_a_real_server_that_is_killed_and_comes_back_has_every_step_once(
    study: Any, tmp_path: Path, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    with real_server(tmp_path / "server") as server:
        writer = StudyWriter(study.store, study.manifest, tracking_uri=server.uri)
        spool = study.spool("baseline", 0)
        spool.log(0, {"loss": 1.0, "temperature": 5.0})
        writer.sync()
        server.kill()
        spool.log(1, {"loss": 0.5, "temperature": 4.0})
        writer.sync()
        study.publish_all()
        clock[0] += 3
        writer.sync()
        assert writer.pending > 0
        server.start()
        clock[0] += 10
        writer.sync()
        writer.finish({})
        check_all_told(study, server)
        assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2


@pytest.mark.slow
def test_a_writer_that_is_killed_is_followed_by_one_that_tells_the_rest(study: Any, tmp_path: Path) -> None:
    study.publish_all()
    with real_server(tmp_path / "server") as server:
        with slowly_told(study, server.uri, pause_s=0.5) as first:
            assert first.stdout is not None
            for _ in range(3):
                assert first.stdout.readline() == "batch\n"
            first.kill()
        assert "RUNNING" in server.statuses("toy").values()
        with slowly_told(study, server.uri, pause_s=0.0) as second:
            assert second.wait(timeout=120) == 0
        check_all_told(study, server)


@pytest.mark.slow
def test_of_two_processes_at_once_one_tells(study: Any, tmp_path: Path) -> None:
    study.publish_all()
    with real_server(tmp_path / "server") as server:
        with slowly_told(study, server.uri, pause_s=0.2) as first:
            assert first.stdout is not None
            first.stdout.readline()
            with slowly_told(study, server.uri, pause_s=0.0) as second:
                output, _ = second.communicate(timeout=120)
            assert (second.returncode, output) == (1, "")
            first.communicate(timeout=120)
        assert first.returncode == 0
        check_all_told(study, server)


@pytest.mark.slow
def test_a_real_server_with_another_database_is_told_everything(study: Any, tmp_path: Path) -> None:
    study.publish_all()
    with real_server(tmp_path / "server") as server:
        StudyWriter(study.store, study.manifest, tracking_uri=server.uri).finish({})
        server.stop()
        (tmp_path / "server" / "server.db").unlink()
        server.start()
        StudyWriter(study.store, study.manifest, tracking_uri=server.uri).finish({})
        check_all_told(study, server)


@pytest.mark.slow
def test_a_real_server_that_knows_itself_under_another_name_refuses(study: Any, tmp_path: Path) -> None:
    study.publish_all()
    with real_server(tmp_path / "server", "--allowed-hosts", "mlflow.example.org") as server:
        writer = StudyWriter(study.store, study.manifest, tracking_uri=server.uri)
        with pytest.raises(TrackingError, match=f"--allowed-hosts 127.0.0.1:{server.port}"):
            writer.sync()


@pytest.mark.slow
def test_a_server_on_postgresql_outlives_its_database(study: Any, clock: list[float]) -> None:
    try:
        find_programs()
    except BackendError as missing:
        pytest.skip(str(missing))
    # As PostgreSQL runs as another user if this is root, the folder must be open.
    with tempfile.TemporaryDirectory(prefix="dymu-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        database = RealPostgres(folder / "postgres")
        database.start()
        server = RealServer(folder, database.uri)
        try:
            server.start()
            writer = StudyWriter(study.store, study.manifest, tracking_uri=server.uri)
            study.spool("baseline", 0).log(0, {"loss": 1.0, "temperature": 5.0})
            writer.sync()
            study.publish_all()
            database.stop()
            writer.sync()
            assert writer.pending > 0
            database.start()
            for _ in range(30):  # the server finds out in its own time
                clock[0] += 130
                writer.sync()
                if not writer.pending:
                    break
                time.sleep(0.5)
            writer.finish({})
            check_all_told(study, server)
            password = database.uri.split(":")[2].partition("@")[0]
            assert password not in (folder / "mlflow.log").read_text()
        finally:
            server.stop()
            database.stop()
