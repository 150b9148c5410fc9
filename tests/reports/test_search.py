from collections.abc import Callable
from dataclasses import replace

import pytest

from dymu.artifacts.trials import Goal, SearchResult, Trial
from dymu.errors import ReportError
from dymu.reports.render import render
from dymu.reports.search import importance_table, objective_text, search_table, value_text

RATE, MODE = "method.edge.learning_rate", "method.mode"


def trial(number: int, *objectives: float, **more: object) -> Trial:
    fields: dict[str, object] = {
        "state": "complete" if objectives else "failed",
        "params": {RATE: 0.001 * (number + 1), MODE: "plain"},
        "objectives": objectives,
        "by_seed": {"0": objectives} if objectives else {},
        "addresses": {"0": f"validate/{number:016d}"},
        **more,
    }
    return Trial(number=number, **fields)  # type: ignore[arg-type]


@pytest.fixture
def result() -> SearchResult:
    return SearchResult(
        name="toy_search-one",
        identity="0a1b2c3d",
        target="studies.toy_search:one",
        study="toy-ours",
        goals=(
            Goal(value="hypervolume/c=0", maximize=True),
            Goal(value="active_parameters/c=0", maximize=False),
        ),
        space={RATE: "0.001 to 0.1, log", MODE: "plain, other"},
        sampler="tpe, seed 0",
        pruner="",
        seeds=(0,),
        budget=5,
        storage="journal.log in the store",
        trials=(trial(0, 1.0, 100.0), trial(1, 2.0, 20_000.0), trial(2, 0.5, 300.0), trial(3, error="bad")),
        importances={"hypervolume/c=0": {RATE: 0.7}, "active_parameters/c=0": {RATE: 0.2}},
    )


@pytest.fixture
def single(result: SearchResult) -> SearchResult:
    trials = tuple(replace(t, objectives=t.objectives[:1], by_seed={}) for t in result.trials)
    seeds = {"0": (1.0,), "1": (3.0,)}
    first = replace(trials[0], objectives=(2.0,), by_seed=seeds)
    return replace(
        result,
        goals=result.goals[:1],
        seeds=(0, 1),
        trials=(first, *(replace(t, by_seed={"0": t.objectives}) if t.objectives else t for t in trials[1:])),
    )


def rows(table: object) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]  # type: ignore[attr-defined]


def test_several_objectives_show_the_pareto_set_best_first(result: SearchResult) -> None:
    table = search_table(result)
    assert table.title == "Search toy_search-one: Pareto set, validation split"
    assert rows(table) == [["1", "2", "20.0k", "0.002", "plain"], ["0", "1", "100", "0.001", "plain"]]
    assert [column.higher_is_better for column in table.columns] == [None, True, False, None, None]
    marks = [[cell.mark for cell in row][1:3] for row in table.rows]
    assert marks == [["best", ""], ["", "best"]]


def test_one_objective_shows_the_best_with_their_intervals(single: SearchResult) -> None:
    table = search_table(single)
    assert [row[0].text for row in table.rows] == ["0", "1", "2"] or rows(table)[0][0] in ("0", "1")
    first = next(row for row in table.rows if row[0].text == "0")
    assert first[1].text == "2"
    assert first[1].estimate is not None
    assert first[1].estimate.n == 2
    assert first[1].spread
    assert "means over seeds 0, 1" in table.footnotes[0]


def test_all_trials_have_their_state(result: SearchResult) -> None:
    table = search_table(result, everything=True)
    assert [row[1].text for row in table.rows] == ["complete"] * 3 + ["failed"]
    assert table.rows[3][2].text == "–"


def test_addresses_are_named_on_request(result: SearchResult) -> None:
    assert not any("validate/" in note for note in search_table(result).footnotes)
    notes = search_table(result, provenance=True).footnotes
    assert "Trial 1: seed 0: validate/0000000000000001." in notes


def test_notes_say_what_was_searched_and_warn_of_luck(result: SearchResult) -> None:
    pruned = replace(result, pruner="asha, judged after 1, 2 seeds, one of 2 goes on")
    first, second, last = search_table(pruned).footnotes
    assert first == "3 complete, 1 failed of 5 trials; tpe, seed 0; seed 0. Baseline: toy-ours."
    assert second == "Pruned by asha, judged after 1, 2 seeds, one of 2 goes on."
    assert "too good by luck" in last


def test_nothing_complete_is_told(result: SearchResult) -> None:
    with pytest.raises(ReportError, match=r"no complete trial yet \(1 failed\); run `dymu run studies\.toy"):
        search_table(replace(result, trials=result.trials[3:]))
    with pytest.raises(ReportError, match="none begun"):
        search_table(replace(result, trials=()))


@pytest.mark.parametrize("style", ["markdown", "csv", "latex", "json"])
def test_it_is_written_in_every_style(result: SearchResult, style: str) -> None:
    assert "0.002" in render(search_table(result, provenance=True), style)


def test_importances_are_shares_in_descending_order(result: SearchResult) -> None:
    both = {RATE: 0.2, MODE: 0.7}
    table = importance_table(replace(result, importances={"hypervolume/c=0": both}))
    assert rows(table) == [[MODE, "70 %"], [RATE, "20 %"]]
    assert "over 3 complete trials" in table.footnotes[0]


def test_what_has_no_importance_is_named(result: SearchResult) -> None:
    table = importance_table(result)
    assert rows(table) == [[RATE, "70 %", "20 %"]]
    assert table.footnotes[1].endswith(f"never varied: {MODE}.")


def test_why_there_are_no_importances(result: SearchResult) -> None:
    without = replace(result, importances={}, without_importances="the objectives are constant")
    with pytest.raises(ReportError, match="no importances, because the objectives are constant"):
        importance_table(without)


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (value_text, None, "–"),
        (value_text, 0.00123456, "0.001235"),
        (value_text, 3, "3"),
        (value_text, "plain", "plain"),
        (objective_text, 12.3456, "12.35"),
        (objective_text, 41_060_000.0, "41.06M"),
    ],
)
def test_numbers_are_printed_with_four_digits(
    write: Callable[[object], str], value: object, text: str
) -> None:
    assert write(value) == text
