"""A study's life as a job: sent, followed, drained, sent again, finished; on a real head with a token."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dymu.artifacts.store import Store
from dymu.run.jobs.auth import token_environment, token_file
from dymu.run.status import study_status

ROOT = Path(__file__).parents[2]
TOYS = ROOT / "tests" / "run" / "toys"
STUDY = """
from toy_parts import ToyTraining, toy_study

ours = toy_study("life-ours", edge=ToyTraining(num_steps=600, seconds=0.1))
"""

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.timeout(900)]

Dymu = Callable[..., subprocess.CompletedProcess[str]]


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("user")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "DYMU_"))}
    return {
        **kept,
        **token_environment(token_file(folder)),
        "COLUMNS": "200",
        "HOME": str(folder),
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONWARNINGS": "ignore",
        "RAY_USAGE_STATS_ENABLED": "0",
    }


@pytest.fixture(scope="module")
def server(environment: dict[str, str]) -> Iterator[str]:
    """Address of the dashboard of a head of two CPUs; all that it started ends with it."""
    port, dashboard, agent, client = free_ports(4)
    scratch = tempfile.mkdtemp(prefix="dymu-head-", dir="/tmp")  # names of sockets must not be long
    command = ["ray", "start", "--head", "--block", f"--temp-dir={scratch}", "--num-cpus=2"]
    command += [f"--port={port}", f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}"]
    command += ["--dashboard-host=127.0.0.1", "--node-ip-address=127.0.0.1", "--disable-usage-stats"]
    command += ["--min-worker-port=0", "--max-worker-port=0", f"--ray-client-server-port={client}"]
    command += ["--object-store-memory=134217728"]
    with Path(f"{scratch}.log").open("w") as log:
        head = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{dashboard}"
        until = time.monotonic() + 120
        while not _listens(dashboard):
            assert head.poll() is None, Path(f"{scratch}.log").read_text()
            assert time.monotonic() < until, Path(f"{scratch}.log").read_text()
            time.sleep(0.5)
        yield address
    finally:
        head.terminate()  # with --block it ends what it has started
        try:
            head.wait(60)
        finally:
            if head.poll() is None:
                os.killpg(head.pid, signal.SIGKILL)
        shutil.rmtree(scratch, ignore_errors=True)
        Path(f"{scratch}.log").unlink()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory that holds all that a cluster without dymu needs, and is a repository."""
    work = tmp_path_factory.mktemp("work") / "code"
    work.mkdir()
    shutil.copytree(ROOT / "dymu", work / "dymu", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(TOYS / "toy_parts.py", work / "toy_parts.py")
    (work / "life.py").write_text(STUDY)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["add", "life.py"], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *identity, *words], cwd=work, check=True)
    (work / "life.py").write_text(STUDY + "\n")  # not committed
    return work


@pytest.fixture
def dymu(environment: dict[str, str], folder: Path, server: str, tmp_path: Path) -> Dymu:
    def call(*words: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dymu", *words],
            cwd=folder,
            env={
                **environment,
                "RAY_API_SERVER_ADDRESS": server,
                "DYMU_STORE": str(tmp_path / "store"),
                **changed,
            },
            capture_output=True,
            text=True,
            timeout=300,
        )

    return call


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def reached(store: Store) -> int:
    states = study_status(store, store.manifests())
    return next((state.step for state in states if state.stage == "edge"), 0)


def test_a_study_is_sent_drained_sent_again_and_finished(
    dymu: Dymu, environment: dict[str, str], folder: Path, server: str, tmp_path: Path
) -> None:
    sent = dymu("submit", "life:ours")
    assert sent.returncode == 0, sent.stderr
    (line,) = [line for line in sent.stdout.splitlines() if line.startswith("Submitted as")]
    job = line.split()[2]
    assert job.endswith("-1")

    # Whoever follows can be killed; the study does not notice.
    with subprocess.Popen(
        [sys.executable, "-m", "dymu", "logs", "-f", job],
        cwd=folder,
        env={**environment, "RAY_API_SERVER_ADDRESS": server},
        stdout=subprocess.PIPE,
        text=True,
    ) as follower:
        assert follower.stdout is not None
        assert any("edge" in text for text in follower.stdout)
        follower.kill()
    store = Store(tmp_path / "store", read_only=True)
    until = time.monotonic() + 120
    while reached(store) < 5:
        assert time.monotonic() < until, dymu("logs", job).stdout
        time.sleep(0.5)

    again = dymu("submit", "life:ours")
    assert again.returncode == 3
    assert f"is RUNNING already, as job {job}" in " ".join(again.stderr.split())
    (study,) = json.loads(dymu("status", "--json").stdout)["studies"]
    assert study["state"] == "running"
    assert [run["job"] for run in study["runs"]] == [job]
    assert [entry["id"] for entry in study["jobs"]] == [job]

    stopped = dymu("stop", "life-ours")
    assert stopped.returncode == 0, stopped.stderr
    assert "baseline seed 0 edge goes on at step" in stopped.stdout
    (study,) = json.loads(dymu("status", "--json").stdout)["studies"]
    assert study["state"] == "unfinished"
    assert study["runs"] == []
    assert study["jobs"][0]["status"] == "STOPPED"
    assert "RUNNING" not in study["mlflow"]["runs"]
    where = reached(store)
    (address,) = [s.address for s in study_status(store, store.manifests()) if s.stage == "edge"]
    assert where > 0
    assert (store.work_dir(address, make=False) / "checkpoint.pt").exists()

    sent = dymu("submit", "life:ours", "--follow")
    assert sent.returncode == 0, sent.stderr + sent.stdout
    assert job.removesuffix("1") + "2" in sent.stdout
    assert "5 steps: 2 cached" in sent.stdout
    (study,) = json.loads(dymu("status", "--json").stdout)["studies"]
    assert (study["state"], study["jobs"][0]["status"]) == ("done", "SUCCEEDED")
    assert study["mlflow"]["runs"] == {"FINISHED": 1}

    # The records name the revision, and what the code differed by is kept.
    told = json.loads((store.path(address) / "provenance.json").read_text())
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert told["git_revision"] == revision.stdout.strip()
    assert told["git_dirty"] is True
    diff = store.work_dir("study/life-ours", make=False) / f"code-{told['git_diff_sha256']}.diff"
    assert "life.py" in diff.read_text()

    # When the cluster is gone, the store still tells.
    gone = dymu("logs", "life-ours", RAY_API_SERVER_ADDRESS="http://127.0.0.1:1")
    assert gone.returncode == 0
    assert "What follows is from the store" in gone.stderr
    assert gone.stdout.count("--- 2") == 2


def test_without_the_token_nothing_is_told(dymu: Dymu) -> None:
    said = dymu("submit", "life:ours", RAY_AUTH_MODE="disabled")
    assert said.returncode == 3
    assert "refuses this token" in " ".join(said.stderr.split())


def test_the_doctor_finds_the_cluster_sound(dymu: Dymu) -> None:
    said = dymu("doctor", "--json")
    checks = {entry["name"]: entry for entry in json.loads(said.stdout)}
    assert said.returncode == 0, said.stdout
    assert "asks for a token" in checks["auth"]["found"]
    assert checks["clocks"]["found"].startswith("127.0.0.1 (head)") or "(head)" in checks["clocks"]["found"]
    assert checks["versions"]["found"].endswith("here and on every node")
