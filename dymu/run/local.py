"""Runs a plan in this process, one step after another. Needs torch alone."""

from collections.abc import Callable

from dymu.artifacts.store import Store
from dymu.run.execute import Place, StopRequested, run_chain
from dymu.run.queue import ChainQueue


def run_local(
    queue: ChainQueue,
    store: Store,
    place: Place,
    stop_requested: StopRequested,
    *,
    cpu_clock: Callable[[], float],
) -> None:
    """Run all chains of a queue, until none is left or a stop is requested."""
    while (chain := queue.take()) is not None:
        end = run_chain(chain, store, place, stop_requested, cpu_clock=cpu_clock)
        if end.interrupted:
            queue.stop()
            queue.interrupt(end.name)
        else:
            queue.finish(end.name, end.failure)
        if stop_requested():
            queue.stop()
