"""What the processes do that compute a step for a trial: the ranks of a worker group, and single tasks.

How a rank ends is returned to Ray Train as a word, never as an exception, unless processes must be started
anew: Train restarts the group on any exception, and training again does not help against an error of a stage.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from torch import distributed

from dymu.artifacts.location import open_store
from dymu.artifacts.store import Store
from dymu.run.cluster.cargo import Work, unpack_work
from dymu.run.cluster.stopping import StopWatch
from dymu.run.compute import Claim, compute_step, leave_error
from dymu.run.work import error_token
from dymu.stages.context import Interrupted, Superseded
from dymu.stages.world import ALONE, World

DONE = "done"
FAILED = "failed"
INTERRUPTED = "interrupted"
SUPERSEDED = "superseded"
_GO = "go"

# How long a rank that fails waits for the others to fail too. A rank that does not has been killed.
_TOGETHER_S = 10.0
_POLL_S = 0.05


def task(data: bytes) -> str:
    """Compute a step alone, as a Ray task; how it ended."""
    work = unpack_work(data)
    store = open_store(work.cargo.location)
    begin = _beginning(work, store)
    if begin != _GO:
        return begin
    try:
        _compute(work, store, ALONE)
    except Interrupted:
        return INTERRUPTED
    except Superseded:
        return SUPERSEDED
    except Exception as error:  # noqa: BLE001 - written down, and told by the trial
        leave_error(work.step, store, error, token=work.token)
        return FAILED
    return DONE


def train_worker(config: Mapping[str, Any]) -> str:
    """Compute a step as one rank of a group that Ray Train has started; how it ended."""
    from ray.train.torch import get_device

    work = unpack_work(config["work"])
    world = World.of_process_group(str(get_device()) if config["gpu"] else "cpu")
    return run_rank(work, open_store(work.cargo.location), world)


def run_rank(work: Work, store: Store, world: World) -> str:
    """Compute a step as one rank of torch's default process group; how it ended.

    Raises:
        Exception: If the group must be started anew: another rank was killed, or hangs. An error that this
            rank alone has met is then in ``error.json``, where the next group finds it.
    """
    begin = _beginning(work, store) if world.leader else ""
    told = world.broadcast(begin.encode())
    assert told is not None
    if told.decode() != _GO:
        return told.decode()
    roll = Roll(world)
    try:
        _compute(work, store, world)
    except Interrupted:
        return INTERRUPTED
    except Superseded:
        roll.leave()
        if not roll.complete():
            raise RuntimeError(f"{work.step.address} was taken over by another process") from None
        return SUPERSEDED
    except Exception as error:
        first = roll.leave()
        mine = first and not _may_be_a_lost_peer(error)
        if mine:
            leave_error(work.step, store, error, token=work.token)
        complete = roll.complete()
        if first and complete and not mine:
            leave_error(work.step, store, error, token=work.token)
        if not complete:
            raise
        return FAILED
    return DONE


class Roll:
    """Which ranks have left the common work before its end; kept by the leader's process.

    Args:
        world: The ranks.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._store = distributed.distributed_c10d._get_default_store()

    def leave(self) -> bool:
        """Leave, and free those who wait for this rank; whether no other had left before."""
        first = True
        with suppress(Exception):  # the leader's process is gone, and the list with it
            first = self._store.add("dymu/left", 1) == 1
        if self._world.device == "cpu":
            with suppress(Exception):  # connections may be broken already
                distributed.destroy_process_group()
        return first

    def complete(self) -> bool:
        """Whether all ranks have left within some seconds, so that none of them was killed."""
        if not self._all("dymu/left", _TOGETHER_S):
            return False
        with suppress(Exception):  # the leader has waited long enough
            self._store.add("dymu/known", 1)
            if self._world.leader:  # whose process keeps the list for the others
                self._all("dymu/known", _TOGETHER_S)
        return True

    def _all(self, key: str, within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            try:
                if self._store.add(key, 0) >= self._world.size:
                    return True
            except Exception:  # noqa: BLE001 - the leader's process is gone
                return False
            time.sleep(_POLL_S)
        return False


def _beginning(work: Work, store: Store) -> str:
    """Whether there is something to compute; processes may have been started anew after its end."""
    if store.has(work.step.address):
        return DONE
    if not store.claimed_by(work.step.address, work.token):
        return SUPERSEDED
    store.pull_work(work.step.address)
    return FAILED if error_token(store, work.step.address) == work.token else _GO


def _compute(work: Work, store: Store, world: World) -> None:
    with StopWatch(store.flag(work.cargo.stop)) as stop:
        compute_step(work.step, store, work.cargo.place, stop.requested, Claim(token=work.token, world=world))


def _may_be_a_lost_peer(error: Exception) -> bool:
    # Gloo raises plain RuntimeError when a connection breaks; subclasses (out of memory) have other reasons.
    return type(error) is RuntimeError or isinstance(error, distributed.DistError)
