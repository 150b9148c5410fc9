"""Runs searches on a backend, like studies: shown, stopped, told to MLflow, and gone on with later."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from dymu.artifacts.store import Store
from dymu.artifacts.trials import SearchResult
from dymu.errors import TrackingError
from dymu.run.live import announce
from dymu.run.plan import Use
from dymu.run.search.budget import extent_of
from dymu.run.search.desk import Desk
from dymu.run.search.objectives import check_objectives
from dymu.run.search.progress import SearchDisplay
from dymu.run.search.queue import NOT_THE_TRIALS, SearchQueue
from dymu.run.search.steps import final_step
from dymu.run.search.trial import Counts
from dymu.run.study import RunOptions, check_workers, drive, stop_on_request
from dymu.run.work import Failure
from dymu.spec.search import Search
from dymu.tracking.search import SearchTracking


@dataclass(frozen=True, kw_only=True)
class SearchOutcome:
    """What came of a run of searches.

    Attributes:
        results: What each search has found, in order.
        failures: Faults of the machine, by trial; such trials are handed out again.
        interrupted: Whether it was stopped before its end.
        counts: How much work there was.
        urls: Where MLflow shows each search.
        tracking_error: What MLflow refused; empty if nothing.
    """

    results: tuple[SearchResult, ...]
    failures: Mapping[Use, Failure]
    interrupted: bool
    counts: Counts
    urls: Sequence[str] = ()
    tracking_error: str = ""

    @property
    def exit_code(self) -> int:
        """0 all right, 1 something failed, 3 tracking refused, 130 interrupted; failed trials are results."""
        if self.interrupted:
            return 130
        if self.failures or not all(result.in_state("complete") for result in self.results):
            return 1
        return TrackingError.exit_code if self.tracking_error else 0


def run_searches(
    searches: Sequence[Search],
    store: Store,
    options: RunOptions,
    console: Console,
    *,
    target: str,
    storage_url: str | None = None,
    report: Callable[[SearchResult], Sequence[Path]],
) -> SearchOutcome:
    """Spend what is left of the budgets of some searches, side by side.

    Args:
        searches: The searches.
        store: Where artifacts, leases and files of trials are.
        options: How to run.
        console: Where progress is shown.
        target: What the user typed.
        storage_url: Of a database for Optuna; ``None`` for a journal in the store.
        report: Called for each search at its end; returns files that MLflow is to have.

    Raises:
        SpecError: If a search does not make sense.
        StoreError: If another process runs one of them, or the store cannot be written.
        BackendError: If Ray or the database cannot do what was asked.
    """
    stages: set[str] = set()
    for search in searches:
        check_objectives(search)
        stages |= extent_of(search).stages
        for seed in search.seeds:
            check_workers(final_step(search.baseline, seed).closure(), options)
    names = [search.name for search in searches]
    with ExitStack() as stack:
        desks = []
        for search in searches:
            desks.append(Desk(search, store, target=target, url=storage_url))
            stack.callback(desks[-1].close)
        tracking = SearchTracking(store, uri=options.tracking_uri, enabled=options.tracking)
        queue = SearchQueue(desks, store)
        interrupted = False
        if any(desk.left for desk in desks):
            display = SearchDisplay(queue, desks, store, console)
            with stop_on_request(store, names) as stop, announce(store, names):
                interrupted = drive(
                    queue,
                    store,
                    options,
                    stop=stop,
                    display=display,
                    sync=lambda: tracking.tell([desk.result() for desk in desks]),
                    stages=tuple(sorted(stages)),
                )
        for desk in desks:
            desk.save(final=True)
        results = tuple(desk.result(final=True) for desk in desks)
        files = {result.key: report(result) for result in results} if not interrupted else {}
        tracking.finish(results, files)
    return SearchOutcome(
        results=results,
        failures={use: f for use, f in queue.failures.items() if f.kind in NOT_THE_TRIALS},
        interrupted=interrupted,
        counts=queue.counts,
        urls=tracking.urls,
        tracking_error=tracking.error,
    )
