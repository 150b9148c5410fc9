"""Runs a plan in this process, one step after another. Needs torch alone."""

import time
from collections.abc import Callable

from dymu.artifacts.store import Store
from dymu.run.compute import StopRequested
from dymu.run.execute import run_chain
from dymu.run.place import Place
from dymu.run.queue import Queue

_LOOK_S = 0.05


def run_local(
    queue: Queue,
    store: Store,
    place: Place,
    stop_requested: StopRequested,
    *,
    cpu_clock: Callable[[], float],
) -> None:
    """Run all chains of a queue, until none is left or a stop is requested.

    Steps that are to have workers run in this process too, as a group of one.
    """
    while not queue.exhausted:
        chain = queue.take()
        if chain is None:
            time.sleep(_LOOK_S)  # whoever fills the queue has something else to wait for
        else:
            end = run_chain(chain, store, place, stop_requested, cpu_clock=cpu_clock)
            if end.interrupted:
                queue.stop()
                queue.interrupt(end.name)
            else:
                queue.finish(end.name, end.failure)
        if stop_requested():
            queue.stop()
