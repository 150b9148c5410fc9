"""The steps of docs/operations.md for backup, restoring and upgrades, run to their ends on real servers."""

import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from mlflow.tracking import MlflowClient

from dymu.artifacts.store import Store
from dymu.errors import BackendError
from dymu.run.jobs.postgres import find_programs
from dymu.run.jobs.services import HOST, free_ports
from tests.architecture.documents import ROOT, blocks, workspace
from tests.tracking.real_mlflow import RealPostgres

PAGE = "docs/operations.md"
TARGET = "ablations.branching_regularizer"
EXPERIMENT = "digits-ours"
PATIENCE_S = 120.0
# Schemas of earlier releases of MLflow, 3.9 and one of 2022, which lack tables of the present one.
EARLIER = ("d3e4f5a6b7c8", "cc1f77228345")
MAKE_DATABASE = """
import sys, alembic.command, sqlalchemy
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base
engine = sqlalchemy.create_engine(sys.argv[1])
Base.metadata.create_all(engine)
with engine.begin() as connection:
    config = _get_alembic_config(sys.argv[1])
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, sys.argv[2])
"""


def steps(*marks: str) -> list[str]:
    """The lines of the block that has these words, without comments."""
    (block,) = (each for each in blocks(PAGE) if all(mark in each.text for mark in marks))
    return [re.sub(r"\s+#.*", "", line) for line in block.text.splitlines()]


class Place:
    """A machine as the document sees it: folders, PostgreSQL, and programs by their names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = find_programs()
        self.postgres = RealPostgres(folder / "postgres")
        self.uri = f"http://{HOST}:{free_ports({'mlflow': 0})['mlflow']}"
        self.started: list[subprocess.Popen[bytes]] = []
        self.ws = folder / "ws"
        self.ws.mkdir()
        workspace(self.ws)
        (folder / "bin").mkdir()
        for name in ("dymu", "mlflow"):
            program = folder / "bin" / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -W ignore -m {name} "$@"\n')
            program.chmod(0o755)

    @property
    def database(self) -> str:
        """URI of PostgreSQL, without the name of a database."""
        return self.postgres.uri.rpartition("/")[0]

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: os.environ[name] for name in os.environ if not name.startswith(("DYMU_", "MLFLOW_", "RAY_"))
        }
        return {
            **kept,
            "HOME": str(self.folder),
            "PATH": f"{self.folder / 'bin'}:{self.programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "disabled",
            "OMP_NUM_THREADS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }

    def words(self, line: str, store: str = "store", artifacts: str = "artifacts") -> str:
        """A line of the document with what it leaves open."""
        meant = {
            "postgresql+psycopg2://USER@HOST": self.database,
            "postgresql://USER@HOST": self.database.replace("+psycopg2", ""),
            "http://127.0.0.1:5000": self.uri,
            "BACKUP": str(self.folder / "backup"),
            "STORE": str(self.folder / store),
            "ARTIFACTS": str(self.folder / artifacts),
            "TARGET": f"{TARGET} --backend local",
            "mlflow server": f"exec mlflow server --workers 1 --port {self.uri.rpartition(':')[2]}",
        }
        for name, value in meant.items():
            line = line.replace(name, value)
        return line

    def do(self, line: str, *codes: int, **where: str) -> str:
        """Do a line; what it printed. A server is left running."""
        line = self.words(line, **where)
        if "mlflow server" in line:
            self.serve(line.removesuffix(" &"))
            return ""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.ws,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (codes or (0,)), f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def begin(self, line: str) -> subprocess.Popen[bytes]:
        """Begin a line and go on."""
        with (self.folder / "begun.log").open("wb") as log:
            begun = subprocess.Popen(
                ["bash", "-c", f"exec {self.words(line)}"],
                cwd=self.ws,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(begun)
        return begun

    def serve(self, line: str) -> None:
        with (self.folder / "server.log").open("ab") as log:
            server = subprocess.Popen(
                ["bash", "-c", line],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(server)
        end = time.monotonic() + PATIENCE_S
        while not self.answers():
            assert server.poll() is None, (self.folder / "server.log").read_text()[-2000:]
            assert time.monotonic() < end, "MLflow does not answer"
            time.sleep(0.2)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def end(self) -> None:
        """End what still runs, servers of MLflow for instance, and all that it started."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(60)
        self.started.clear()

    def told(self) -> tuple[dict[str, str], list[str]]:
        """Name to status of all runs, and the names of the files of the run of the question."""
        client = MlflowClient(self.uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        (parent,) = (run for run in runs if run.data.tags["dymu.role"] == "parent")
        files = client.list_artifacts(parent.info.run_id, "tables")
        for file in files:
            assert client.download_artifacts(parent.info.run_id, file.path, str(self.folder))
        names = [run.info.run_name for run in runs]
        assert len(names) == len(set(names)), names
        return {run.info.run_name: run.info.status for run in runs}, [file.path for file in files]

    def values(self, store: str) -> dict[str, Any]:
        """Address to the values of all records of a store."""
        opened = Store(self.folder / store)
        return {
            address: json.loads(opened.read(address, "record.json"))["values"]
            for address in opened.addresses("evaluate")
        }


@pytest.fixture
def place() -> Iterator[Place]:
    try:
        find_programs()
    except BackendError as missing:
        pytest.skip(str(missing))
    # As PostgreSQL runs as another user if this is root, the folder must be open.
    with tempfile.TemporaryDirectory(prefix="dymu-test-") as name:
        Path(name).chmod(0o755)
        made = Place(Path(name))
        made.postgres.start()
        try:
            yield made
        finally:
            made.end()
            made.postgres.stop()


def serving(where: list[str]) -> str:
    return next(line for line in where if line.startswith("mlflow server"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_backup_made_while_a_study_runs_is_restored_elsewhere(place: Place) -> None:
    backup, restore = steps("pg_dump", "/store", "mkdir"), steps("pg_restore")
    place.do("mkdir -p ARTIFACTS")
    place.do(serving(restore))
    run = place.begin("dymu run TARGET --store STORE --tracking-uri http://127.0.0.1:5000")
    store, end = place.folder / "store", time.monotonic() + PATIENCE_S
    while len(list(store.glob("artifacts/*/*/DONE.json"))) < 4:
        assert run.poll() is None, (place.folder / "begun.log").read_text()
        assert time.monotonic() < end
        time.sleep(0.1)
    for line in backup:
        place.do(line, *((0, 3) if "verify" in line else (0,)))
    assert run.poll() is None, "the study ended before it was backed up"
    place.do("cp -a BACKUP BACKUP.early")
    assert run.wait(600) == 0, (place.folder / "begun.log").read_text()
    for line in backup:
        place.do(line)
    told, files = place.told()
    assert set(told.values()) == {"FINISHED"}
    assert files

    # All is lost, and comes back at another place.
    place.end()
    place.do(f"dropdb --maintenance-db=postgresql://USER@HOST/postgres mlflow; rm -r {store} ARTIFACTS")
    said = "".join(place.do(line, store="restored", artifacts="files") for line in restore)
    assert "nothing to run" in said
    assert place.told() == (told, files)
    values = place.values("restored")
    assert len(values) == 5

    # What was backed up in the middle is completed.
    place.do("cp -a BACKUP.early/store/. STORE", store="early")
    place.do("dymu cache gc --corrupt --yes --store STORE", store="early")
    place.do("dymu run TARGET --store STORE --no-tracking", store="early")
    place.do("dymu cache verify --store STORE", store="early")
    assert place.values("early") == values


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("revision", EARLIER)
def test_the_database_of_an_earlier_mlflow_is_upgraded(place: Place, revision: str) -> None:
    words = [sys.executable, "-W", "ignore", "-c", MAKE_DATABASE, place.postgres.uri, revision]
    subprocess.run(words, env=place.environment, check=True, capture_output=True)
    with closing(sqlalchemy.create_engine(place.postgres.uri).connect()) as opened, opened.begin():
        opened.execute(
            sqlalchemy.text(
                "INSERT INTO experiments (name, artifact_location, lifecycle_stage) "
                "VALUES ('of before', 'mlflow-artifacts:/1', 'active')"
            )
        )
    place.do("mkdir -p BACKUP ARTIFACTS STORE")
    for line in steps("mlflow db upgrade"):
        if not line.startswith(("pip", "dymu stop")):  # nothing runs, and this is the later release
            place.do(line, 0, *((3,) if "doctor" in line else ()))
    found = MlflowClient(place.uri).get_experiment_by_name("of before")
    assert found is not None
    assert found.artifact_location == "mlflow-artifacts:/1"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_database_in_a_store_is_upgraded_by_what_is_said_of_it(place: Place) -> None:
    place.do("dymu run studies.digits:ours --backend local --no-tracking --store STORE")
    folder = place.folder / "store" / "mlflow"
    folder.mkdir()
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    words = [sys.executable, "-W", "ignore", "-c", MAKE_DATABASE, uri, EARLIER[0]]
    subprocess.run(words, env=place.environment, check=True, capture_output=True)
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    (line,) = re.findall(r"`(mlflow db upgrade sqlite:[^`]*)`", text)
    assert shlex.split(place.words(line))[-1] == uri
    place.do(line)
    said = place.do("dymu run studies.digits:ours --backend local --store STORE")
    assert "nothing to run" in said
    with closing(sqlite3.connect(folder / "mlflow.db")) as opened:
        assert opened.execute("SELECT DISTINCT status FROM runs").fetchall() == [("FINISHED",)]
