from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dymu.reports.collect import results_of
from dymu.reports.grid import GridComparison, compare_with_grid
from dymu.reports.grid_figure import grid_figure
from dymu.reports.style import COLOURS, paper_style


def compared(study: Any) -> GridComparison:
    return compare_with_grid(results_of(study.store, study.manifest), study.store)


def drawn(study: Any) -> Figure:
    with paper_style():
        figure = grid_figure(compared(study))
        figure.draw_without_rendering()
    return figure


@pytest.fixture
def small(grid_study: Any) -> Any:
    """Five nets and a controller."""
    grid_study.arms["static-grid"].nets = 5
    del grid_study.arms["single-task"]
    return grid_study


def xs(line: Line2D) -> list[float]:
    return np.asarray(line.get_xdata(), dtype=float).tolist()


def ys(line: Line2D) -> list[float]:
    return np.asarray(line.get_ydata(), dtype=float).tolist()


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.texts)


def test_it_shows_the_means_over_number_and_over_time(small: Any) -> None:
    small.publish()
    small.publish_training()
    by_number, by_time = drawn(small).axes
    (one,) = compared(small).grids
    line = by_number.lines[0]
    assert xs(line) == [1, 2, 3, 4, 5]
    expected = [sum(one.spreads[seed][k].mean for seed in (0, 1, 2)) / 3 for k in range(5)]
    assert ys(line) == pytest.approx(expected)
    assert xs(by_time.lines[0]) == pytest.approx([12, 24, 36, 48, 60])
    assert by_time.get_xlabel() == "training, CPU-s"
    assert by_time.get_ylim() == by_number.get_ylim()


def test_a_controller_stands_at_its_time_and_level(small: Any) -> None:
    small.publish()
    small.publish_training()
    by_time = drawn(small).axes[1]
    points = [line for line in by_time.lines if line.get_markersize() == 4.5]
    assert [xs(line)[0] for line in points] == [100.0, 100.0]
    assert [ys(line)[0] for line in points] == pytest.approx([16.0, 14.0])
    assert len({line.get_marker() for line in points}) == 2


def test_colours_are_those_that_can_be_told_apart(small: Any) -> None:
    small.publish()
    figure = drawn(small)
    shown = {to_hex(line.get_color()).upper() for line in figure.axes[0].lines}
    assert shown == set(COLOURS[:2])


def test_what_is_missing_is_written_below(small: Any) -> None:
    small.without = (("static-grid", 1), ("baseline", 0))
    small.publish()
    lost = small.steps("static-grid", 0)["shared#2"]
    small.publish_training(without=(lost,))
    figure = drawn(small)
    assert "No record of Ours at seed 0" in texts(figure)
    assert "No record of Static MTL at seed 1" in texts(figure)
    assert f"Training time unknown: no provenance of {lost}" in texts(figure)


def test_without_times_the_number_of_nets_is_still_shown(small: Any) -> None:
    small.publish()
    by_number, by_time = drawn(small).axes
    assert len(by_number.lines) > len(by_time.lines)


def test_a_grid_without_a_controller_is_drawn(small: Any) -> None:
    del small.arms["baseline"]
    small.publish()
    small.publish_training()
    figure = drawn(small)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Static MTL"]


@pytest.mark.parametrize(("device", "unit"), [("cpu", "training, CPU-min"), ("cuda", "training, min")])
def test_long_trainings_are_told_in_larger_units(grid_study: Any, device: str, unit: str) -> None:
    grid_study.publish()
    grid_study.publish_training(device=device)
    assert drawn(grid_study).axes[1].get_xlabel() == unit


def test_nothing_lies_outside_the_page(small: Any) -> None:
    small.arms["static-grid"].label = "Static MTL, " + "one net per preference, " * 4
    small.without = (("static-grid", 1),)
    small.publish()
    small.publish_training()
    with paper_style():
        figure = grid_figure(compared(small))
        figure.draw_without_rendering()
        box = figure.get_tightbbox()
    assert box.x1 <= figure.get_figwidth() + 0.01
    assert box.x0 >= -0.01
