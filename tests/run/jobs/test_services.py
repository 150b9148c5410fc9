import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dymu.errors import BackendError
from dymu.run.jobs.services import HOST, MARK, Service, answers, end, free_ports, start, wait_for

QUIET = "import time; time.sleep(600)"
DEAF = (
    "import signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('up', flush=True)\n"
    "time.sleep(600)\n"
)
# A server whose child leaves its session.
PARENT = (
    "import subprocess, sys, time\n"
    f"subprocess.Popen([sys.executable, '-c', {QUIET!r}], start_new_session=True)\n"
    "print('up', flush=True)\n"
    "time.sleep(600)\n"
)


@pytest.fixture
def started() -> Iterator[list[Service]]:
    services: list[Service] = []
    yield services
    end(services, patience_s=0.0)


def run(code: str, folder: Path, started: list[Service], *, until: str = "") -> Service:
    log = folder / f"log-{len(started)}"
    service = start("thing", [sys.executable, "-c", code], environment=os.environ, log=log)
    started.append(service)
    wait_for(service, lambda: until in log.read_text(), patience_s=60)
    return service


def test_a_server_that_was_started_is_alive_until_it_is_ended(tmp_path: Path, started: list[Service]) -> None:
    service = run(QUIET, tmp_path, started)
    assert service.alive
    assert end([service]) == ["thing: ended, 1 processes"]
    assert not service.alive
    assert end([service]) == ["thing: was not running"]


def test_a_server_survives_as_json(tmp_path: Path, started: list[Service]) -> None:
    service = run(QUIET, tmp_path, started)
    assert Service(**service.form()) == service


def test_what_a_server_started_is_ended_with_it_also_outside_its_session(
    tmp_path: Path, started: list[Service]
) -> None:
    service = run(PARENT, tmp_path, started, until="up")
    child = next(process for process in service.members() if process.pid != service.pid)
    assert os.getsid(child.pid) != service.pid
    assert end([service]) == ["thing: ended, 2 processes, 1 had to be killed"]
    assert service.members() == []


def test_what_outlived_a_server_that_was_killed_is_found(tmp_path: Path, started: list[Service]) -> None:
    service = run(PARENT, tmp_path, started, until="up")
    os.kill(service.pid, signal.SIGKILL)
    while service.alive:
        time.sleep(0.05)
    assert len(service.members()) == 1
    assert end([service]) == ["thing: had lost its first process, 1 processes, 1 had to be killed"]


def test_a_server_that_does_not_listen_is_killed(tmp_path: Path, started: list[Service]) -> None:
    service = run(DEAF, tmp_path, started, until="up")
    assert end([service], patience_s=0.3) == ["thing: ended, 1 processes, 1 had to be killed"]


def test_a_process_that_takes_its_time_to_end_counts_once(
    tmp_path: Path, started: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = run(DEAF, tmp_path, started, until="up")
    kill, asked = psutil.Process.kill, list[int]()

    def kill_late(process: psutil.Process) -> None:
        asked.append(process.pid)
        if len(asked) > 1:
            kill(process)

    monkeypatch.setattr(psutil.Process, "kill", kill_late)
    assert end([service], patience_s=0.3) == ["thing: ended, 1 processes, 1 had to be killed"]
    assert len(asked) >= 2


def test_a_process_that_has_the_number_of_a_dead_server_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", QUIET], start_new_session=True) as other:
        begun = psutil.Process(other.pid).create_time()
        # Whether the number was given to it before the server was made or after it had ended.
        for started in (begun + 100.0, begun - 100.0):
            service = Service(name="thing", pid=other.pid, started=started, mark="m", log=str(tmp_path))
            assert not service.alive
            assert end([service]) == ["thing: was not running"]
        assert other.poll() is None
        other.kill()


def test_other_processes_of_the_same_program_are_left_alone(tmp_path: Path, started: list[Service]) -> None:
    with subprocess.Popen([sys.executable, "-c", QUIET], env={**os.environ, MARK: "another"}) as other:
        end([run(QUIET, tmp_path, started)])
        assert other.poll() is None
        other.kill()


def test_a_server_that_ends_at_its_start_shows_its_last_words(tmp_path: Path, started: list[Service]) -> None:
    with pytest.raises(BackendError, match=r"(?s)thing ended at its start.*no such luck.*Its log"):
        run("raise SystemExit('no such luck')", tmp_path, started, until="never")
    assert end(started) == ["thing: was not running"]
    assert not psutil.pid_exists(started[0].pid), "it has been waited for"


def test_a_server_that_takes_too_long_is_told(tmp_path: Path, started: list[Service]) -> None:
    service = run(QUIET, tmp_path, started)
    with pytest.raises(BackendError, match=r"thing was not ready after 0\.1 s"):
        wait_for(service, lambda: False, patience_s=0.1)


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="thing cannot be started with /no/such/program"):
        start("thing", ["/no/such/program"], environment={}, log=tmp_path / "log")


def test_ports_in_use_are_replaced_and_all_differ() -> None:
    with socket.socket() as used:
        used.bind((HOST, 0))
        used.listen()
        port = int(used.getsockname()[1])
        assert answers(port)
        found = free_ports({"a": port, "b": 0, "c": 0})
        assert port not in found.values()
        assert len(set(found.values())) == 3
    assert free_ports({"a": found["a"]}) == {"a": found["a"]}
    assert not answers(found["a"])
