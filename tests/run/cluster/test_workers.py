import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.run.cluster.cargo import Cargo, Work, pack
from dymu.run.cluster.workers import DONE, FAILED, INTERRUPTED, SUPERSEDED, task
from dymu.run.place import Place
from dymu.run.work import read_failure
from dymu.stages.context import Interrupted, RunContext

ROOT = Path(__file__).parents[3]
TOYS = ROOT / "tests" / "run" / "toys"


def prints(step: Step, context: RunContext) -> None:
    del step
    (context.out_dir / "result.txt").write_text("done")


def fails(step: Step, context: RunContext) -> None:
    del step, context
    raise ValueError("a mistake")


def stops(step: Step, context: RunContext) -> None:
    assert not context.stop_requested()
    raise Interrupted(step.address)


def alone(store: Store, place: Place, step: Step, token: str) -> str:
    cargo = Cargo(place=place, location=store.location, stop="stop/1", scratch="", owned=True)
    return task(pack(Work(step=step, token=token, cargo=cargo)))


def a_step(run: object) -> Step:
    return Step(stage="toy", revision=1, config={}, run=run)  # type: ignore[arg-type]


def test_a_task_says_how_it_ended(store: Store, place: Place) -> None:
    step = a_step(prints)
    with store.lease(step.address) as lease:
        assert alone(store, place, step, lease.token) == DONE
        assert alone(store, place, step, lease.token) == DONE  # started anew after its end


def test_a_task_that_fails_leaves_its_error_and_is_not_tried_again(store: Store, place: Place) -> None:
    step = a_step(fails)
    with store.lease(step.address) as lease:
        assert alone(store, place, step, lease.token) == FAILED
        log = (store.work_dir(step.address) / "log.txt").read_text()
        assert alone(store, place, step, lease.token) == FAILED
        assert (store.work_dir(step.address) / "log.txt").read_text() == log
    failure = read_failure(store, step.address)
    assert failure is not None
    assert (failure.kind, failure.message) == ("ValueError", "a mistake")


def test_a_task_can_be_stopped(store: Store, place: Place) -> None:
    step = a_step(stops)
    with store.lease(step.address) as lease:
        assert alone(store, place, step, lease.token) == INTERRUPTED


def test_a_task_of_a_lease_that_was_lost_does_nothing(store: Store, place: Place) -> None:
    step = a_step(fails)
    with store.lease(step.address):
        assert alone(store, place, step, "another") == SUPERSEDED
    assert read_failure(store, step.address) is None


def ranks(store: Store, *lots: str) -> list[str]:
    """What two ranks say at their end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    address = Step(stage="toy", revision=1, config={"lots": lots}, run=prints).address
    lease = store.lease(address)
    assert lease.try_acquire()
    command = [sys.executable, "toy_ranks.py"]
    arguments = [str(port), str(store.root), lease.token, *lots]
    processes = [
        subprocess.Popen(
            [*command, str(rank), *arguments],
            cwd=TOYS,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert out or process.returncode == -9, err
        said.append(out.strip() or "killed")
    lease.release()
    failure = read_failure(store, address)
    if failure is not None:
        said.append(failure.message)
    elif store.has(address):
        said.append("published")
    return said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lots", "said"),
    [
        (("-", "-"), ["ended done", "ended done", "published"]),
        (("data", "data"), ["ended failed", "ended failed", "the loss is not finite"]),
        # The rank that saw the error is believed, not the one whose connection broke because of it.
        (("-", "data"), ["ended failed", "ended failed", "the loss is not finite"]),
        (("-", "memory"), ["ended failed", "ended failed", "out of memory"]),
        (("shape", "-"), ["ended failed", "ended failed", "mat1 and mat2 cannot be multiplied"]),
        (("-", "shape"), ["ended failed", "ended failed", "mat1 and mat2 cannot be multiplied"]),
        # A killed rank is nobody's mistake: the group is to be started anew, and nothing is written down.
        (("-", "kill"), ["raised RuntimeError", "killed"]),
        (("kill", "-"), ["killed", "raised RuntimeError"]),
        (("stop", "stop"), ["ended interrupted", "ended interrupted"]),
        (("fence", "-"), ["ended superseded", "ended failed"]),
    ],
)
def test_how_the_ranks_of_a_group_end(store: Store, lots: tuple[str, str], said: list[str]) -> None:
    assert ranks(store, *lots) == said
