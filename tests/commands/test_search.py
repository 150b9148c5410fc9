import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.store import Store
from dymu.artifacts.trials import Goal, SearchResult, Trial, save_result

Dymu = Callable[..., Any]


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SearchResult:
    """A search of two objectives in the store."""
    monkeypatch.setenv("DYMU_STORE", str(tmp_path / "store"))
    trials = tuple(
        Trial(
            number=number,
            state="complete",
            params={"method.weight.scale": float(number)},
            objectives=(float(number), float(number)),
            by_seed={"0": (float(number), float(number))},
            addresses={"0": f"validate/{number:016d}"},
        )
        for number in range(3)
    )
    result = SearchResult(
        name="toy_search-two",
        identity="0a1b2c3d",
        target="toy_search:two",
        study="toy_search-ours",
        goals=(Goal(value="hypervolume/c=0", maximize=True), Goal(value="size", maximize=False)),
        space={"method.weight.scale": "0 to 9"},
        sampler="tpe, seed 0",
        pruner="",
        seeds=(0,),
        budget=3,
        storage="journal.log in the store",
        trials=trials,
        importances={"hypervolume/c=0": {"method.weight.scale": 0.9}},
    )
    save_result(Store(tmp_path / "store"), result)
    return result


def test_a_run_prints_the_pareto_set_and_writes_files(
    run_here: Dymu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dymu.reports.search_figure.draw_search", lambda *_: [])  # takes seconds
    said = run_here("toy_search:two", "--trials", "4")
    assert said.code == 0, said.err
    assert "toy_search-two trial 0 complete" in said.out
    assert "Search toy_search-two: Pareto set, validation split" in said.flat
    assert "Trials needed 20 steps:" in said.flat
    (folder,) = tmp_path.rglob("reports/toy_search-two")
    names = {path.name for path in folder.iterdir()}
    assert {"table.md", "table.csv", "table.tex", "trials.csv"} <= names


def test_a_pareto_set_is_shown_with_its_addresses(saved: SearchResult, dymu: Dymu) -> None:
    shown = dymu("search", "show", saved.name, "--style", "markdown", "--provenance")
    assert shown.code == 0
    assert "Trial 2: seed 0: validate/0000000000000002." in shown.out


def test_a_store_without_searches_says_so(finished: Dymu) -> None:
    said = finished("search", "ls")
    assert (said.code, "has no searches" in said.out) == (0, True)


def test_all_trials_are_shown_on_request(saved: SearchResult, dymu: Dymu) -> None:
    everything = json.loads(dymu("search", "show", "studies.toy_search:two", "--all", "--json").out)
    assert len(everything["rows"]) == len(saved.trials)


def test_searches_are_listed(saved: SearchResult, dymu: Dymu) -> None:
    listed = json.loads(dymu("search", "ls", "--json").out)
    assert listed == [{"name": saved.name, "key": saved.key, "trials": 3, "budget": 3}]
    assert saved.key in dymu("search", "ls").out


def test_figures_are_drawn_where_the_user_says(saved: SearchResult, dymu: Dymu, tmp_path: Path) -> None:
    drawn = dymu("search", "figure", saved.name, "--out", str(tmp_path / "here"))
    assert str(tmp_path / "here" / "pareto.svg") in drawn.out
    assert (tmp_path / "here" / "pareto.svg").exists()


def test_importances_are_printed(saved: SearchResult, dymu: Dymu) -> None:
    table = json.loads(dymu("search", "importances", saved.name, "--json").out)
    assert table["rows"] == [{"entry": "method.weight.scale", "hypervolume/c=0": "90 %"}]


def test_a_plan_shows_the_space_and_the_budget(dymu: Dymu) -> None:
    said = dymu("plan", "toy_search:one", "--trials", "7")
    assert said.code == 0
    assert "0.1 to 10, log" in said.out
    assert "7 trials by tpe" in said.flat
    (form,) = json.loads(dymu("plan", "toy_search:one", "--json").out)
    assert (form["trials"], form["left"], form["shared_steps"], form["steps_each"]) == (5, 5, 6, 4)


def test_a_plan_of_arms_shows_each_of_them(dymu: Dymu) -> None:
    said = dymu("plan", "toy_search:arms")
    assert "toy_search-arms--baseline" in said.out
    assert "toy_search-arms--double" in said.out
    assert "6 trials in 2 arms" in said.flat


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("toy_search:one", "--seeds", "2"), "are part of its objective: (0, 1)"),
        (("toy_search:one", "-o", "method.edge.scale=2"), "--override changes what is run"),
        (("toy_search:one", "--arm", "double"), "--arm changes what is run"),
        (("toy_search:arms", "--seed-list", "100"), "chooses the settings of its arms at seed 100"),
        (("toy_studies:ours", "--trials", "3"), "--trials is the budget of a search"),
        (("toy_search:typo",), "did you mean 'hypervolume/c=0'"),
    ],
)
def test_what_a_search_does_not_take_is_refused(dymu: Dymu, arguments: tuple[str, ...], message: str) -> None:
    said = dymu("plan", *arguments)
    assert said.code == 2
    assert message in " ".join(said.err.split())


@pytest.mark.slow
def test_arms_are_compared_at_their_own_best(run_here: Dymu, dymu: Dymu) -> None:
    said = run_here("toy_search:arms", "--seeds", "2")
    assert said.code == 0, said.err
    assert "Each row at its own best of 3 trials" in said.flat
    assert "double, best of 3" in said.out
    again = dymu("table", "--question", "toy_search-arms", "--json")
    assert again.code == 0, again.err
    assert [
        row[""]["text"] if isinstance(row[""], dict) else row[""] for row in json.loads(again.out)["rows"]
    ] == [
        "Ours, best of 3",
        "double, best of 3",
    ]


def test_a_search_that_is_not_there_is_told(saved: SearchResult, dymu: Dymu) -> None:
    said = dymu("search", "show", "other")
    assert said.code == 4
    assert f"no search 'other'; it has {saved.key}" in said.err


def test_a_search_is_submitted_like_a_study(dymu: Dymu, cluster: Any) -> None:
    where = ("--address", "http://127.0.0.1:8265", "--no-tracking")
    said = dymu("submit", "toy_search:one", "--trials", "7", *where)
    assert said.code == 0, said.err
    assert "7 trials by tpe" in said.flat
    (order,) = cluster.orders
    assert "dymu run toy_search:one --trials 7" in order.entrypoint
    assert order.metadata["dymu.studies"] == "toy_search-one"
    assert dymu("submit", "toy_search:one", "--seeds", "2", *where).code == 2
