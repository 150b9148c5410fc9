import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dymu.commands import ui
from dymu.tracking.cursor import Cursor
from dymu.tracking.mlflow import create_database

Dymu = Callable[..., Any]

# Takes connections, and so does a child of it that does not know when to end.
STUBBORN = """
import os, signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    time.sleep(600)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(600)
"""


def free_port() -> int:
    """A port that nobody has, nor gets for a connection of their own: systems take those from above."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def silent(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def told(store: Path, uri: str) -> None:
    cursor = Cursor(uri=uri, experiment_id="4")
    cursor.save(store / "mlflow" / "cursors" / "toy_studies-ours.json")


@pytest.fixture
def database(run_here: Dymu, tmp_path: Path) -> Path:
    """The database of a store that a study was told to."""
    run_here("toy_studies:ours")
    path = tmp_path / "store" / "mlflow" / "mlflow.db"
    told(tmp_path / "store", f"sqlite:///{path}")
    create_database(path)
    return path


def test_without_a_database_there_is_nothing_to_serve(dymu: Dymu, run_here: Dymu) -> None:
    run_here("toy_studies:ours")
    said = dymu("ui")
    assert said.code == 3
    assert "run a study first" in said.err


def test_the_server_that_was_told_instead_is_named(dymu: Dymu, run_here: Dymu, tmp_path: Path) -> None:
    run_here("toy_studies:ours")
    told(tmp_path / "store", "http://mlflow.example.org:5000")
    said = dymu("ui")
    assert said.code == 3
    assert "told to http://mlflow.example.org:5000: open that" in said.err


def test_a_store_that_was_copied_is_not_shown_with_the_files_of_another(dymu: Dymu, database: Path) -> None:
    with closing(sqlite3.connect(database)) as opened, opened:
        opened.execute("CREATE TABLE experiments (artifact_location TEXT)")
        opened.execute("INSERT INTO experiments VALUES ('file:///elsewhere/mlflow/artifacts')")
    said = dymu("ui")
    assert said.code == 3
    assert "keeps files of runs in /elsewhere/mlflow/artifacts" in said.err
    assert "`dymu cache relocate --store" in said.err


def test_a_port_that_is_taken_is_refused(dymu: Dymu, database: Path) -> None:
    assert database.exists()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = dymu("ui", "--port", str(port))
    assert said.code == 3
    assert f"port {port} of 127.0.0.1 cannot be had" in said.err
    assert f"--port {port + 1}" in said.err


def test_the_command_serves_the_database_on_loopback() -> None:
    words = ui._command(5001, "sqlite:///a.db")
    assert words[1:4] == ["-m", "mlflow", "server"]
    given = dict(zip(words[4::2], words[5::2], strict=True))
    assert given["--host"] == "127.0.0.1"
    assert given["--port"] == "5001"
    assert given["--backend-store-uri"] == "sqlite:///a.db"


def test_a_server_that_cannot_start_is_an_error(
    dymu: Dymu, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database.exists()
    monkeypatch.setattr(ui, "_command", lambda _port, _uri: [sys.executable, "-c", "raise SystemExit(7)"])
    said = dymu("ui", "--port", str(free_port()))
    assert said.code == 3
    assert "MLflow could not start (exit code 7)" in said.err


def test_addresses_are_printed_once_the_server_answers(
    dymu: Dymu, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database.exists()
    brief = "import socket, sys; socket.create_server(('127.0.0.1', int(sys.argv[1]))).accept()"
    monkeypatch.setattr(ui, "_command", lambda port, _: [sys.executable, "-c", brief, str(port)])
    port = free_port()
    said = dymu("ui", "--port", str(port))
    assert f"MLflow on http://127.0.0.1:{port}/ " in said.out
    assert f"toy_studies-ours: http://127.0.0.1:{port}/#/experiments/4/runs?" in said.out
    assert said.code == 3
    assert "ended by itself (exit code 0)" in said.err


def test_a_server_ends_with_all_that_it_started(
    monkeypatch: pytest.MonkeyPatch, eventually: Callable[[Callable[[], object]], None]
) -> None:
    monkeypatch.setattr(ui, "_PATIENCE_S", 0.5)
    port = free_port()
    server = subprocess.Popen([sys.executable, "-c", STUBBORN, str(port)], start_new_session=True)
    ui._wait_for(server, port)
    ui._end(server)
    eventually(lambda: silent(port))


def test_a_request_to_end_is_what_ctrl_c_is() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ui._ended_by_signals():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_mlflow_is_served_until_it_is_interrupted(database: Path, root: Path, number: signal.Signals) -> None:
    port = free_port()
    words = [sys.executable, "-m", "dymu", "ui", "--port", str(port), "--store", str(database.parents[1])]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert any(line.startswith(f"MLflow on http://127.0.0.1:{port}/ ") for line in process.stdout)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert opener.open(f"http://127.0.0.1:{port}/health", timeout=60).read() == b"OK"
        process.send_signal(number)
        assert process.wait(60) == 0
    assert silent(port)
