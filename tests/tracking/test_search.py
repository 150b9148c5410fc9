"""Searches on a server: a parent for each search, a run for each answered trial, told once."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dymu.artifacts.store import Store
from dymu.artifacts.trials import Goal, SearchResult, Trial
from dymu.tracking import search as module
from dymu.tracking.search import SearchTracking
from tests.tracking.fake_mlflow import FakeMlflow, serving

RATE = "method.edge.learning_rate"


def trial(number: int, state: str = "complete", **more: object) -> Trial:
    fields: dict[str, object] = {
        "state": state,
        "params": {RATE: 0.001 * (number + 1)},
        "addresses": {"0": f"validate/{number:016d}"},
        **({"objectives": (float(number),), "means": {"uniformity/c=0": 0.5}} if state == "complete" else {}),
        **more,
    }
    return Trial(number=number, **fields)  # type: ignore[arg-type]


@pytest.fixture
def result() -> SearchResult:
    return SearchResult(
        name="toy_search-one",
        identity="0a1b2c3d",
        target="toy_search:one",
        study="toy-ours",
        goals=(Goal(value="hypervolume/c=0", maximize=True),),
        space={RATE: "0.001 to 0.1, log"},
        sampler="tpe, seed 0",
        pruner="",
        seeds=(0,),
        budget=4,
        storage="journal.log in the store",
        trials=(trial(0), trial(1, "failed", error="TrainingError: not finite"), trial(2, "running")),
    )


@pytest.fixture
def server() -> Iterator[FakeMlflow]:
    with serving(FakeMlflow()) as fake:
        yield fake


def tracking(server: FakeMlflow, tmp_path: Path) -> SearchTracking:
    return SearchTracking(Store(tmp_path / "store"), uri=server.uri, enabled=True)


def test_answered_trials_become_runs_below_the_search(
    server: FakeMlflow, result: SearchResult, tmp_path: Path
) -> None:
    tracking(server, tmp_path).tell([result])
    assert server.statuses == {"toy_search-one": "RUNNING", "trial 0": "FINISHED", "trial 1": "FAILED"}
    runs = {run.name: run for run in server.active}
    parent, first = runs["toy_search-one"], runs["trial 0"]
    assert first.tags["mlflow.parentRunId"] == parent.run_id
    assert first.tags["dymu.validation.0"] == "validate/0000000000000000"
    assert first.params == {"trial": "0", "learning_rate": "0.001"}
    assert {key: value for key, value, _, _ in first.metrics} == {"HV/c0": 0.0, "unif/c0": 0.5}
    assert runs["trial 1"].tags["dymu.error"] == "TrainingError: not finite"


def test_a_trial_is_told_once_however_often_it_is_known(
    server: FakeMlflow, result: SearchResult, tmp_path: Path
) -> None:
    teller = tracking(server, tmp_path)
    teller.tell([result])
    told, requests = server.told, len(server.requests)
    teller.tell([result])
    assert len(server.requests) == requests
    tracking(server, tmp_path).tell([result])  # another process
    assert server.told == told


def test_at_the_end_the_search_is_closed_with_its_best_trial_and_its_files(
    server: FakeMlflow, result: SearchResult, tmp_path: Path
) -> None:
    path = tmp_path / "table.md"
    path.write_text("a table")
    whole = replace(result, trials=(*result.trials[:2], trial(2), trial(3, "pruned")))
    teller = tracking(server, tmp_path)
    teller.tell([result])
    teller.finish([whole], {whole.key: [path]})
    assert server.statuses == {
        "toy_search-one": "FINISHED",
        "trial 0": "FINISHED",
        "trial 1": "FAILED",
        "trial 2": "FINISHED",
        "trial 3": "KILLED",
    }
    parent = next(run for run in server.active if run.name == "toy_search-one")
    assert parent.tags["dymu.best_trial"] == "2"
    assert {key: value for key, value, _, _ in parent.metrics} == {"best/HV/c0": 2.0}
    assert [name for name in parent.files if name.endswith("table.md")]


def test_an_interrupted_search_is_closed_and_opened_again(
    server: FakeMlflow, result: SearchResult, tmp_path: Path
) -> None:
    tracking(server, tmp_path).finish([result], {})
    assert server.statuses["toy_search-one"] == "KILLED"
    tracking(server, tmp_path).tell([result])
    assert server.statuses["toy_search-one"] == "RUNNING"


def test_a_server_that_is_away_is_told_later(
    server: FakeMlflow, result: SearchResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teller = tracking(server, tmp_path)
    server.fault = lambda _: "503"
    teller.tell([result])
    assert teller.error == ""
    assert server.active == []
    server.fault = lambda _: None
    monkeypatch.setattr(time, "monotonic", lambda: 1e12)
    teller.tell([result])
    assert set(server.statuses) == {"toy_search-one", "trial 0", "trial 1"}


def test_a_server_that_refuses_ends_the_telling_and_nothing_else(
    server: FakeMlflow, result: SearchResult, tmp_path: Path
) -> None:
    teller = tracking(server, tmp_path)
    server.fault = lambda _: "403"
    teller.tell([result])
    assert "refused" in teller.error
    requests = len(server.requests)
    teller.finish([result], {})
    assert len(server.requests) == requests


def test_nothing_is_told_when_nothing_is_wanted(
    result: SearchResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MlflowServer", None)
    teller = SearchTracking(Store(tmp_path / "store"), uri=None, enabled=False)
    teller.tell([result])
    teller.finish([result], {})
    assert teller.urls == ()
