from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.trials import Goal, SearchResult, Trial
from dymu.errors import ReportError
from dymu.reports.search_figure import course, draw_search, front, importance_bars

RATE, MODE = "method.edge.learning_rate", "method.mode"


def trial(number: int, *objectives: float) -> Trial:
    return Trial(
        number=number,
        state="complete" if objectives else "failed",
        params={RATE: 0.1, MODE: "plain"},
        objectives=objectives,
    )


def points(line: Any) -> list[list[float]]:
    found: list[list[float]] = line.get_xydata().tolist()
    return found


@pytest.fixture
def result() -> SearchResult:
    return SearchResult(
        name="toy_search-one",
        identity="0a1b2c3d",
        target="t",
        study="toy-ours",
        goals=(Goal(value="hv", maximize=True), Goal(value="size", maximize=False)),
        space={RATE: "0 to 1", MODE: "plain, other"},
        sampler="tpe",
        pruner="",
        seeds=(0,),
        budget=5,
        storage="",
        trials=(trial(0, 1.0, 1.0), trial(1, 3.0, 5.0), trial(2, 0.5, 3.0), trial(3), trial(4, 2.0, 2.0)),
        importances={"hv": {RATE: 0.6, MODE: 0.1}},
    )


def test_the_front_joins_the_pareto_set_from_small_to_large(result: SearchResult) -> None:
    (axes,) = front(result).axes
    (line,) = axes.lines
    assert points(line) == [[1.0, 1.0], [2.0, 2.0], [5.0, 3.0]]
    assert line.get_drawstyle() == "steps-post"  # nothing between two trials was attained
    assert [text.get_text() for text in axes.texts] == ["0", "4", "1"]
    assert axes.get_xlabel() == "size (down is better)"
    assert axes.collections[0].get_offsets().tolist() == [[3.0, 0.5]]  # type: ignore[union-attr]


def test_three_objectives_have_a_panel_for_each_pair(result: SearchResult) -> None:
    goals = (*result.goals, Goal(value="macs", maximize=False))
    trials = tuple(replace(t, objectives=(*t.objectives, 1.0)) if t.objectives else t for t in result.trials)
    figure = front(replace(result, goals=goals, trials=trials))
    assert len(figure.axes) == 3
    assert {axes.lines[0].get_linestyle() for axes in figure.axes} == {"None"}


def test_the_course_shows_the_best_so_far(result: SearchResult) -> None:
    up, down = course(result).axes
    assert [y for _, y in points(up.lines[0])] == [1.0, 3.0, 3.0, 3.0]
    assert [y for _, y in points(down.lines[0])] == [1.0, 1.0, 1.0, 1.0]
    assert up.get_xlabel() == "trial (dotted: failed)"


def test_importances_are_bars_of_short_names(result: SearchResult) -> None:
    (axes,) = importance_bars(result).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["mode", "learning_rate"]
    bars: list[Any] = list(axes.patches)
    assert [bar.get_width() for bar in bars] == [10.0, 60.0]


def test_files_are_drawn_in_all_formats_and_are_the_same_twice(result: SearchResult, tmp_path: Path) -> None:
    first = draw_search(result, tmp_path / "a")
    other = draw_search(result, tmp_path / "b")
    assert {path.name for path in first} == {
        f"{name}.{suffix}" for name in ("course", "pareto", "importances") for suffix in ("svg", "pdf", "png")
    }
    assert [a.read_bytes() == b.read_bytes() for a, b in zip(first, other, strict=True)] == [True] * 9


def test_one_objective_has_no_front(result: SearchResult, tmp_path: Path) -> None:
    single = replace(
        result,
        goals=result.goals[:1],
        trials=tuple(replace(t, objectives=t.objectives[:1]) for t in result.trials),
        importances={},
    )
    assert {path.stem for path in draw_search(single, tmp_path)} == {"course"}


def test_nothing_complete_is_told(result: SearchResult, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="no complete trial to draw yet"):
        draw_search(replace(result, trials=(trial(0),)), tmp_path)
    with pytest.raises(ReportError, match="no importances, because nobody asked"):
        importance_bars(replace(result, importances={}, without_importances="nobody asked"))
