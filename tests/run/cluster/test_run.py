"""Runs of the command on Ray, each in a process of its own, as users start it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dymu.artifacts.store import Store
from dymu.run.execute import run_chain
from dymu.run.place import Place
from dymu.run.plan import Plan
from dymu.run.status import study_status
from dymu.run.work import read_progress

Planner = Callable[..., Plan]

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 280


def command(
    home: Path, store: Store, *arguments: str, token: bool = False, pace: float = 1.0
) -> subprocess.Popen[str]:
    """``dymu run`` in the folder of the toys, whose training steps take ``pace`` times as long."""
    environment = {
        **os.environ,
        "HOME": str(home),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "RAY_AUTH_MODE": "disabled",
        "TOY_PACE": str(pace),
    }
    if token:
        del environment["RAY_AUTH_MODE"]
    return subprocess.Popen(
        [sys.executable, "-m", "dymu", "run", *arguments, "--no-tracking", "--store", str(store.root)],
        cwd=ROOT / "tests" / "run" / "toys",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)


def same_bytes(plan: Plan, left: Store, right: Store) -> bool:
    return all(
        (left.path(step.address) / name).read_bytes() == (right.path(step.address) / name).read_bytes()
        for step in plan.steps
        for name in ("record.json", "metrics.jsonl", "step.json")
        if (left.path(step.address) / name).exists()
    )


@pytest.mark.cluster
@pytest.mark.timeout(900)
def test_faults_take_their_arms_only_and_the_rest_equals_the_local_backend(
    planner: Planner, store: Store, place: Place, tmp_path: Path
) -> None:
    (alone,) = planner("toy_studies:ours").chains
    output, _ = (process := command(tmp_path, store, "toy_faults", token=True)).communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1, output
    told = " ".join(output.split())
    assert "arm raises, seed 0: weight/" in told
    assert "at step 3: TrainingError: the loss of task left is not finite at step 3" in told
    assert "arm killed, seed 0: edge/" in told
    assert "arm baseline" not in told
    assert not re.search(r"raylet|Traceback|WARNING|ray::", output), output
    assert not (tmp_path / ".ray").exists()  # the token of the local cluster is in no file
    failed = {step.stage for step in planner("toy_faults").missing}
    assert failed == {"edge", "weight", "evaluate"}

    whole = Store(tmp_path / "whole")
    assert run_chain(alone, whole, place, lambda: False).failure is None
    assert same_bytes(planner("toy_studies:ours"), store, whole)


@pytest.mark.cluster
@pytest.mark.timeout(900)
def test_a_run_goes_on_after_kill_and_after_a_signal(
    planner: Planner, store: Store, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_PACE", "0")  # in this process; below a training lasts half a minute
    plan = planner("toy_studies:slow")
    edge = next(step.address for step in plan.steps if step.stage == "edge")

    first = command(tmp_path, store, "toy_studies:slow", pace=5.0)
    wait_for(lambda: read_progress(store, edge).step >= 5, first)
    first.kill()
    first.communicate()
    freed_by = time.monotonic() + 60  # its workers notice within seconds
    while store.lease(edge).holder() is not None:
        assert time.monotonic() < freed_by
        time.sleep(0.1)
    killed_at = read_progress(store, edge).step

    second = command(tmp_path, store, "toy_studies:slow", pace=5.0)
    wait_for(lambda: read_progress(store, edge).step >= killed_at + 5, second)
    second.send_signal(signal.SIGINT)
    output, _ = second.communicate(timeout=TIMEOUT_S)
    assert second.returncode == 130, output
    assert "the same command goes on from there" in " ".join(output.split())
    assert read_progress(store, edge).state == "interrupted"
    assert store.lease(edge).holder() is None
    stopped_at = read_progress(store, edge).step

    (chain,) = planner("toy_studies:slow").chains
    assert stopped_at >= killed_at + 5
    assert run_chain(chain, store, place, lambda: False).failure is None
    whole = Store(tmp_path / "whole")
    (chain,) = plan.chains
    assert run_chain(chain, whole, place, lambda: False).failure is None
    assert same_bytes(plan, store, whole)


@pytest.mark.cluster
@pytest.mark.slow
def test_groups_of_workers_share_two_cpus_and_a_failed_one_is_not_started_again(
    store: Store, tmp_path: Path
) -> None:
    # Three arms at once, each stage with two workers, on a machine of two CPUs.
    process = command(tmp_path, store, "toy_question", "--workers", "2")
    output, _ = process.communicate(timeout=2 * TIMEOUT_S)
    assert process.returncode == 1, output
    states = {(s.arm, s.stage): s for s in study_status(store, store.manifests())}
    assert {arm for (arm, stage), s in states.items() if stage == "evaluate" and s.state == "done"} == {
        "baseline",
        "double",
    }
    failed = states["broken", "weight"]
    assert failed.error == "TrainingError: the loss of task left is not finite at step 3"
    assert Path(failed.log).read_text().count("Traceback") == 1
    for address in store.addresses("edge"):
        told = json.loads((store.path(address) / "provenance.json").read_text())
        assert told["workers"] == 2


@pytest.mark.cluster
@pytest.mark.slow
def test_what_no_node_can_hold_is_refused_before_anything_starts(store: Store, tmp_path: Path) -> None:
    process = command(tmp_path, store, "toy_studies:ours", "--resource", "edge.workers=8", "--threads", "64")
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 3, output
    told = " ".join(output.split())
    assert "stage edge needs 8 workers with 64 CPUs, 0 GPUs and 1.0 GiB each" in told
    assert "stage anchor needs 64 CPUs, 0 GPUs and 1.0 GiB on one node" in told
    assert "but the nodes have: " in told
    assert list(store.started()) == []
