import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Dymu = Callable[..., Any]


@pytest.fixture
def searched(run_here: Dymu) -> Any:
    """A search of two objectives that was run."""
    said = run_here("toy_search:two", "--no-tracking")
    assert said.code == 0, said.err
    return said


def test_a_run_prints_the_pareto_set_and_writes_files(searched: Any, tmp_path: Path) -> None:
    assert "toy_search-two trial 0 complete" in searched.out
    assert "Search toy_search-two: Pareto set, validation split" in searched.flat
    assert "Trials needed 30 steps:" in searched.flat
    (folder,) = tmp_path.rglob("reports/toy_search-two")
    names = {path.name for path in folder.iterdir()}
    assert {"table.md", "table.csv", "table.tex", "trials.csv", "pareto.svg", "course.png"} <= names


def test_its_results_are_shown_again_in_every_form(searched: Any, dymu: Dymu, tmp_path: Path) -> None:
    del searched
    shown = dymu("search", "show", "toy_search-two", "--style", "markdown", "--provenance")
    assert shown.code == 0
    assert "validate/" in shown.out
    everything = json.loads(dymu("search", "show", "toy_search:two", "--all", "--json").out)
    assert len(everything["rows"]) == 6
    listed = json.loads(dymu("search", "ls", "--json").out)
    assert [(row["name"], row["trials"]) for row in listed] == [("toy_search-two", 6)]
    assert "toy_search-two-" in dymu("search", "ls").out
    drawn = dymu("search", "figure", "toy_search-two", "--out", str(tmp_path / "here"))
    assert (tmp_path / "here" / "pareto.svg").exists()
    assert str(tmp_path / "here" / "pareto.svg") in drawn.out


def test_importances_that_are_missing_say_why(searched: Any, dymu: Dymu) -> None:
    del searched
    said = dymu("search", "importances", "toy_search-two")
    assert said.code == 4
    assert "importances need 8 complete trials, there are 6" in said.err


def test_importances_are_printed(run_here: Dymu, dymu: Dymu) -> None:
    assert run_here("toy_search:two", "--no-tracking", "--trials", "9").code == 0
    table = json.loads(dymu("search", "importances", "toy_search-two", "--json").out)
    assert {row["entry"] for row in table["rows"]} == {"method.weight.scale", "method.edge.scale"}


def test_a_plan_shows_the_space_and_the_budget(dymu: Dymu) -> None:
    said = dymu("plan", "toy_search:one", "--trials", "7")
    assert said.code == 0
    assert "0.1 to 10, log" in said.out
    assert "7 trials by tpe" in said.flat
    (form,) = json.loads(dymu("plan", "toy_search:one", "--json").out)
    assert (form["trials"], form["left"], form["shared_steps"], form["steps_each"]) == (5, 5, 6, 4)
    assert "10 trials" not in said.flat


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


def test_arms_are_compared_at_their_own_best(run_here: Dymu, dymu: Dymu) -> None:
    said = run_here("toy_search:arms", "--no-tracking", "--seeds", "2")
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


def test_a_search_that_is_not_there_is_told(searched: Any, dymu: Dymu) -> None:
    del searched
    said = dymu("search", "show", "other")
    assert said.code == 4
    assert "no search 'other'; it has toy_search-two-" in said.err
