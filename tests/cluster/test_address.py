"""A run on a cluster that is there already: two raylets on this machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dymu.artifacts.store import Store
from dymu.run.status import study_status

ROOT = Path(__file__).parents[2]
TOYS = ROOT / "tests" / "run" / "toys"

CLUSTER = """
import sys
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
print("address", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
        "RAY_AUTH_MODE": "disabled",
        "RAY_TMPDIR": "/tmp",
    }


@pytest.fixture
def address(environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    with (tmp_path / "cluster.log").open("w") as log:
        cluster = subprocess.Popen(
            [sys.executable, "-c", CLUSTER],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert cluster.stdout is not None
        found = next((line.split()[1] for line in cluster.stdout if line.startswith("address ")), None)
        assert found is not None, (tmp_path / "cluster.log").read_text()
        yield found
        assert cluster.poll() is None, "the cluster that is not ours was stopped"
        cluster.communicate("", timeout=60)


@pytest.mark.cluster
@pytest.mark.slow
def test_a_running_cluster_is_used_and_left_running(
    address: str, environment: dict[str, str], tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    command = [sys.executable, "-m", "dymu", "run", "toy_question", "--address", address, "--no-tracking"]
    done = subprocess.run(
        [*command, "--store", str(store.root)],
        cwd=TOYS,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 1, done.stderr
    states = {(s.arm, s.stage): s.state for s in study_status(store, store.manifests())}
    assert states["baseline", "evaluate"] == states["double", "evaluate"] == "done"
    assert states["broken", "weight"] == "failed"
    assert [path.name for path in (store.root / "logs").iterdir()] == ["ray.log"]


def test_an_address_where_nothing_is_ends_in_one_message(environment: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dymu", "run", "toy_studies:ours", "--address", "127.0.0.1:1"]
    done = subprocess.run(
        [*command, "--no-tracking", "--store", str(tmp_path / "store")],
        cwd=TOYS,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 3, done.stderr
    assert "Ray at 127.0.0.1:1 cannot be used" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "store" / "logs").iterdir()] == ["ray.log"]
