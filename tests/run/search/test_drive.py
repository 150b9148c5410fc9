"""Searches of toys through the backend of one process, as the command line runs them."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dymu.artifacts.store import Store
from dymu.artifacts.trials import SearchResult, find_result, search_keys
from dymu.errors import BackendError, SpecError
from dymu.run.place import Place
from dymu.run.resources import resource_table
from dymu.run.search.drive import SearchOutcome, run_searches
from dymu.run.search.target import find_search
from dymu.run.study import RunOptions
from dymu.spec.search import Search

ROOT = Path(__file__).parents[3]
TOYS = ROOT / "tests" / "run" / "toys"

Run = Callable[..., SearchOutcome]


@pytest.fixture
def run(place: Place, store: Store, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.syspath_prepend(str(TOYS))
    monkeypatch.chdir(TOYS)

    def start(name: str, *, trials: int | None = None, **more: Any) -> SearchOutcome:
        search = find_search(f"toy_search:{name}", folder=TOYS, trials=trials)
        assert isinstance(search, Search)
        options = RunOptions(backend="local", place=more.pop("place", place), tracking=False)
        report: Callable[[SearchResult], Sequence[Path]] = more.pop("report", lambda _: [])
        console = Console(file=io.StringIO())
        return run_searches([search], store, options, console, target="toy_search:one", report=report, **more)

    return start


def test_a_search_runs_is_answered_and_is_reported(run: Run, store: Store) -> None:
    seen: list[str] = []

    def report(result: SearchResult) -> Sequence[Path]:
        seen.append(result.key)
        return []

    outcome = run("one", report=report)
    (result,) = outcome.results
    assert outcome.exit_code == 0
    assert [trial.state for trial in result.trials] == ["complete"] * 5
    assert seen == search_keys(store)
    # Two seeds with an anchor, an affinity and an edge for all trials; a weight and a measurement for each.
    assert (outcome.counts.wanted, outcome.counts.computed) == (5 * 2 * 5, 2 * 3 + 5 * 2 * 2)
    # The toy's measurement is its scale times what the seed draws.
    scales = [trial.params["method.weight.scale"] for trial in result.trials]
    ratios = [t.objectives[0] / scale for t, scale in zip(result.trials, scales, strict=True)]
    assert ratios == pytest.approx([ratios[0]] * 5)


def test_the_same_command_again_computes_nothing_and_more_trials_are_added(run: Run) -> None:
    first = run("one", trials=2)
    assert run("one", trials=2).counts.wanted == 0
    longer = run("one", trials=3)
    assert longer.results[0].trials[:2] == first.results[0].trials
    assert longer.counts.computed == 4


def test_failed_trials_are_results(run: Run) -> None:
    outcome = run("failing")
    assert outcome.exit_code == 0
    assert outcome.failures == {}
    assert len(outcome.results[0].in_state("failed")) == 3  # at step 2, 3 and 4 of 5
    assert "not finite at step" in outcome.results[0].in_state("failed")[0].error


def test_a_search_without_a_complete_trial_has_failed(run: Run) -> None:
    outcome = run("hopeless")
    assert [trial.state for trial in outcome.results[0].trials] == ["failed", "failed"]
    assert outcome.exit_code == 1


def test_a_mistyped_objective_is_refused_before_anything_starts(run: Run, store: Store) -> None:
    with pytest.raises(SpecError, match="did you mean 'hypervolume/c=0'"):
        run("typo")
    assert search_keys(store) == []


def test_workers_in_this_process_are_refused(run: Run, place: Place) -> None:
    table = resource_table((), workers=2, threads=None, trained=("anchor", "edge"), known={"anchor", "edge"})
    several = Place(code=place.code, checkpoint_seconds=0.0, resources=table)
    with pytest.raises(BackendError, match="which only Ray can start"):
        run("one", place=several)


def test_a_signal_stops_a_search_and_the_same_command_goes_on(
    run: Run, while_training: Callable[..., None]
) -> None:
    while_training("weight", partial(os.kill, os.getpid(), signal.SIGINT))
    first = run("slow")
    assert first.interrupted
    assert first.exit_code == 130
    (open_trial,) = first.results[0].in_state("running")
    again = run("slow")
    assert again.exit_code == 0
    trials = again.results[0].trials
    assert [trial.state for trial in trials] == ["complete"] * 3
    assert trials[open_trial.number].params == open_trial.params


@pytest.mark.slow
def test_a_killed_command_goes_on_with_its_trial(tmp_path: Path) -> None:
    store = tmp_path / "store"
    command = [sys.executable, "-m", "dymu", "run", "toy_search:slow", "--backend", "local", "--no-tracking"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DYMU_STORE": str(store),
        "OMP_NUM_THREADS": "1",
        "HOME": str(tmp_path),
    }
    first = subprocess.Popen(command, cwd=TOYS, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        time.sleep(0.2)
        if (store / "store.json").exists():
            keys = search_keys(Store(store, read_only=True))
            if keys and len(find_result(Store(store), "toy_search-slow").trials) == 2:
                break
    first.kill()
    assert first.wait() == -signal.SIGKILL
    before = find_result(Store(store), "toy_search-slow").trials
    done = subprocess.run(command, cwd=TOYS, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    after = find_result(Store(store), "toy_search-slow").trials
    assert [trial.state for trial in after] == ["complete"] * 3
    assert [trial.params for trial in after[:2]] == [trial.params for trial in before]
