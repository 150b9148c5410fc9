from collections.abc import Callable
from typing import Any

import pytest
from matplotlib.path import Path

from dymu.errors import ReportError
from dymu.reports.collect import Results, results_of
from dymu.reports.style import paper_style
from dymu.reports.tree_figure import corner_trees, most_rows, uniform_trees


def texts(figure: Any) -> list[str]:
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def filled(axis: Any) -> int:
    paths = [patch.get_path().codes for patch in axis.patches if patch.get_fill() and patch.get_alpha()]
    return sum(int((codes == Path.MOVETO).sum()) for codes in paths)


def test_an_even_preference_has_a_row_per_arm_and_a_column_per_c(
    results: Results, fits: Callable[..., None]
) -> None:
    with paper_style():
        figure = uniform_trees(results)
        fits(figure)
    assert len(figure.axes) == 6
    assert {"Ours", "no L_inactive", "no task affinity", "c = 0", "c = 1"} <= set(texts(figure))
    assert filled(figure.axes[0]) == 9, "an even preference keeps all nodes of the synthetic trees"


def test_a_corner_has_a_row_per_task_and_shares_one_stream(
    results: Results, fits: Callable[..., None]
) -> None:
    with paper_style():
        figure = corner_trees(results)
        fits(figure)
    assert {"mostly left", "mostly right", "mostly parity"} <= set(texts(figure))
    assert [filled(axis) for axis in figure.axes] == [3] * 6
    colours = [line.get_color() for line in figure.axes[0].lines if line.get_linestyle() == "-"]
    assert len(set(colours)) >= 3, "each task has a path of its own colour"


def test_heads_say_what_they_are_given(results: Results) -> None:
    with paper_style():
        figure = corner_trees(results)
    record = results.records["baseline", 0]
    best = max(row[0] for row in record.points[0].preferences)
    assert f"left {best:.2f}" in texts(figure)
    assert figure.get_supxlabel().startswith("Seed 0.")


def test_of_many_tasks_some_corners_are_shown(study: Any, fits: Callable[..., None]) -> None:
    study.tasks = tuple(f"task {number}" for number in range(9))
    study.arms = {"baseline": study.arms["baseline"]}
    study.publish()
    with paper_style():
        figure = corner_trees(results_of(study.store, study.manifest))
        fits(figure)
    assert len(figure.axes) == 2 * 4
    assert figure.get_supxlabel().endswith("4 of 9 shown.")


def test_methods_without_trees_are_left_out(study: Any, other_arm: Callable[..., Any]) -> None:
    study.arms = {"baseline": other_arm("PHN-BN", resources=(None,))}
    study.publish()
    with pytest.raises(
        ReportError, match=r"holds predicted trees; .*`dymu run studies.digits:ours`. Only controllable"
    ):
        uniform_trees(results_of(study.store, study.manifest))


def test_a_page_holds_fewer_trees_of_more_tasks() -> None:
    assert [most_rows(count) for count in (2, 3, 5, 9, 20, 100)] == [6, 6, 6, 4, 2, 1]
