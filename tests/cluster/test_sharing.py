"""Several runs on one cluster that is there already: they compute what they share once and leave nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dymu.artifacts.store import Store
from dymu.run.work import read_progress

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
TOYS = ROOT / "tests" / "run" / "toys"
TIMEOUT_S = 400
WORKERS = ("--resource", "edge.workers=2")

CLUSTER = """
import json
import sys
import ray
from ray.cluster_utils import Cluster
from ray.util import placement_group_table

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
print(cluster.address, flush=True)
ray.init(address=cluster.address, log_to_driver=False)
for _ in sys.stdin:
    groups = [group for group in placement_group_table().values() if group["state"] != "REMOVED"]
    print(json.dumps([ray.available_resources().get("CPU", 0.0), len(groups)]), flush=True)
ray.shutdown()
cluster.shutdown()
"""


class Cluster:
    """Two raylets of one CPU each."""

    def __init__(self, folder: Path) -> None:
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "RAY_AUTH_MODE": "disabled",
            "RAY_TMPDIR": "/tmp",
        }
        self._log = (folder / "cluster.log").open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.address = self._line(":")

    def is_free(self) -> bool:
        """Whether all CPUs are free and no placement group is left, within some seconds."""
        assert self._process.stdin is not None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
            if json.loads(self._line("[")) == [2.0, 0]:
                return True
            time.sleep(1)
        return False

    def run(self, store: Store, target: str, *arguments: str) -> subprocess.Popen[str]:
        """``dymu run`` on this cluster."""
        words = ["run", target, *arguments, "--address", self.address, "--no-tracking"]
        return subprocess.Popen(
            [sys.executable, "-m", "dymu", *words, "--store", str(store.root)],
            cwd=TOYS,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self) -> None:
        self._process.communicate(timeout=120)
        self._log.close()

    def _line(self, holds: str) -> str:
        assert self._process.stdout is not None
        return next(line.strip() for line in self._process.stdout if holds in line)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started = Cluster(tmp_path_factory.mktemp("home"))
    yield started
    started.end()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def ended(process: subprocess.Popen[str]) -> int:
    output, _ = process.communicate(timeout=TIMEOUT_S)
    sys.stdout.write(output)
    return process.returncode


def await_edge(store: Store, process: subprocess.Popen[str], steps: int) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        for address in store.works():
            if address.startswith("edge/") and read_progress(store, address).step >= steps:
                return
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_trials_that_are_stopped_or_killed_leave_the_cluster_to_the_next_study(
    cluster: Cluster, store: Store
) -> None:
    stopped = cluster.run(store, "toy_studies:slow", *WORKERS)
    await_edge(store, stopped, 10)
    stopped.send_signal(signal.SIGINT)
    assert ended(stopped) == 130
    assert cluster.is_free()

    killed = cluster.run(store, "toy_studies:slow", *WORKERS)
    await_edge(store, killed, 40)
    killed.kill()
    killed.communicate()

    another = cluster.run(store, "toy_studies:ours", "--workers", "2")
    assert ended(another) == 0
    assert cluster.is_free()
    again = cluster.run(store, "toy_studies:slow", *WORKERS)
    assert ended(again) == 0
    assert cluster.is_free()


def test_runs_of_different_sizes_compute_a_step_once_and_do_not_block_each_other(
    cluster: Cluster, store: Store, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    ad_hoc = ("-o", f"method.edge.tells={json.dumps(str(told))}")
    large = cluster.run(store, "toy_studies:slow", *ad_hoc, *WORKERS)
    await_edge(store, large, 1)
    small = [cluster.run(store, "toy_studies:slow", *ad_hoc) for _ in range(2)]  # each takes one of two CPUs
    assert [ended(process) for process in (large, *small)] == [0, 0, 0]
    assert told.read_text() == "edge 2\n"
    assert cluster.is_free()
