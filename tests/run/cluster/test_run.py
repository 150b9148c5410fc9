"""Runs of the command on Ray, each in a process of its own, as users start it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from dymu.artifacts.store import Store
from dymu.run.cluster import _ALIVE, _scratch, _stop_asked
from dymu.run.execute import run_chain
from dymu.run.place import Place
from dymu.run.plan import Plan
from dymu.run.work import read_progress

Planner = Callable[..., Plan]

TIMEOUT_S = 200


def command(home: Path, store: Store, *arguments: str, token: bool = False) -> subprocess.Popen[str]:
    """``dymu run`` in the folder of the toys."""
    environment = {
        **os.environ,
        "HOME": str(home),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "RAY_AUTH_MODE": "disabled",
    }
    if token:
        del environment["RAY_AUTH_MODE"]
    return subprocess.Popen(
        [sys.executable, "-m", "dymu", "run", *arguments, "--no-tracking", "--store", str(store.root)],
        cwd=Path(__file__).parent / "toys",
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
def test_a_run_goes_on_after_kill_and_after_a_signal(
    planner: Planner, store: Store, place: Place, tmp_path: Path
) -> None:
    plan = planner("toy_studies:slow")
    edge = next(step.address for step in plan.steps if step.stage == "edge")

    first = command(tmp_path, store, "toy_studies:slow")
    wait_for(lambda: read_progress(store, edge).step >= 10, first)
    first.kill()
    first.communicate()
    freed_by = time.monotonic() + 60  # its workers notice within seconds
    while store.lease(edge).holder() is not None:
        assert time.monotonic() < freed_by
        time.sleep(0.1)
    killed_at = read_progress(store, edge).step

    second = command(tmp_path, store, "toy_studies:slow")
    wait_for(lambda: read_progress(store, edge).step >= killed_at + 10, second)
    second.send_signal(signal.SIGINT)
    output, _ = second.communicate(timeout=TIMEOUT_S)
    assert second.returncode == 130, output
    assert "the same command goes on from there" in " ".join(output.split())
    assert read_progress(store, edge).state == "interrupted"
    assert store.lease(edge).holder() is None
    stopped_at = read_progress(store, edge).step

    (chain,) = planner("toy_studies:slow").chains
    assert stopped_at >= killed_at + 10
    assert run_chain(chain, store, place, lambda: False).failure is None
    whole = Store(tmp_path / "whole")
    (chain,) = plan.chains
    assert run_chain(chain, whole, place, lambda: False).failure is None
    assert same_bytes(plan, store, whole)


def test_scratch_of_killed_runs_is_removed_and_that_of_others_stays(tmp_path: Path) -> None:
    alive, dead, foreign = (tmp_path / f"dymu-{name}" for name in ("alive", "dead", "foreign"))
    for folder in (alive, dead, foreign):
        folder.mkdir()
    (dead / _ALIVE).touch()
    with FileLock(alive / _ALIVE):
        made = _scratch(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"dymu-alive", "dymu-foreign", made.name}


def test_a_worker_sees_the_stop_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dymu.run.cluster._STOP_LOOK_S", 0.0)
    asked = _stop_asked(tmp_path / "stop")
    assert not asked()
    (tmp_path / "stop").touch()
    assert asked()
