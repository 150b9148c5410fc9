from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dymu.errors import ReportError
from dymu.reports.collect import Results, results_of
from dymu.reports.style import paper_style
from dymu.reports.tradeoff import MAX_PAIRS, shown_pairs, trade_off, tradeoff_figure


def test_preferences_of_the_pair_alone_are_points_of_the_curve() -> None:
    preference = np.array([[1.0, 0, 0], [0.5, 0.5, 0], [0, 1.0, 0], [0.2, 0.2, 0.6], [0.5, 0.5, 0]])
    loss = np.array([[0.1, 2, 9], [0.5, 0.6, 9], [2, 0.1, 9], [5, 5, 5], [0.7, 0.8, 9]])
    found = trade_off(preference, loss, (0, 1))
    assert found.alone
    assert found.curve_B2 == pytest.approx(np.array([[0.1, 2], [0.6, 0.7], [2, 0.1]]))
    assert len(found.points_S2) == 4


def test_other_preferences_count_as_much_as_they_give_the_pair() -> None:
    preference = np.array([[0.8, 0.0, 0.2], [0.2, 0.0, 0.8], [0.0, 0.5, 0.5], [0.0, 0.5, 0.5]])
    loss = np.array([[1.0, 4, 0], [2.0, 4, 0], [5, 1, 0], [7, 3, 0]])
    found = trade_off(preference, loss, (0, 1), bins=2)
    assert not found.alone
    assert found.curve_B2 == pytest.approx(np.array([[1.2, 4], [6, 2]]))


def test_of_two_tasks_every_preference_is_of_the_pair() -> None:
    rng = np.random.default_rng(0)
    preference = rng.dirichlet((1, 1), size=20)
    found = trade_off(preference, 1 - preference, (0, 1))
    assert found.alone
    assert len(found.curve_B2) == 20
    assert (np.diff(found.curve_B2[:, 0]) > 0).all()
    assert (np.diff(found.curve_B2[:, 1]) < 0).all()


def test_of_many_pairs_those_with_the_widest_range_are_shown() -> None:
    loss = np.array([[0.0, 0, 0, 0], [1, 5, 2, 0.1]])
    assert shown_pairs(loss) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert shown_pairs(loss, limit=2) == [(0, 1), (1, 2)]


def test_each_pair_has_a_panel_and_each_method_a_line(results: Results, fits: Callable[..., None]) -> None:
    with paper_style():
        figure = tradeoff_figure(results)
        fits(figure)
    labels = [(axis.get_xlabel(), axis.get_ylabel()) for axis in figure.axes]
    assert labels[0] == ("loss of left", "loss of right")
    assert len(labels) == 3
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[:2] == ["Ours, c = 0", "Ours, c = 1"]
    assert "means of fifths" in figure.get_supxlabel()


def test_a_method_that_ignores_preferences_is_a_point(study: Any, other_arm: Callable[..., Any]) -> None:
    study.arms["single-task"] = other_arm("Single-Task", resources=(None,))

    def flatten(name: str, _: int, record: Any) -> Any:
        if name == "single-task":
            for row in record.points[0].losses:
                row[:] = [0.5, 0.6, 0.7]
        return record

    study.publish(flatten)
    with paper_style():
        figure = tradeoff_figure(results_of(study.store, study.manifest))
    markers = [line.get_marker() for line in figure.axes[0].lines]
    assert markers.count("D") == 1


def test_many_tasks_say_how_many_pairs_are_shown(study: Any, fits: Callable[..., None]) -> None:
    study.tasks = tuple(f"task {number}" for number in range(7))
    study.arms = {"baseline": study.arms["baseline"]}
    study.publish()
    with paper_style():
        figure = tradeoff_figure(results_of(study.store, study.manifest))
        fits(figure)
    assert len(figure.axes) == MAX_PAIRS
    assert f"{MAX_PAIRS} of 21 pairs" in figure.get_supxlabel()


def test_without_records_it_says_which_command_makes_them(study: Any) -> None:
    study.without = tuple((arm, seed) for arm in study.arms for seed in study.seeds)
    study.publish()
    with pytest.raises(ReportError, match="has no records; make them with `dymu run"):
        tradeoff_figure(results_of(study.store, study.manifest))
