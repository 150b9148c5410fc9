from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dymu.artifacts.record import Record
from dymu.errors import ReportError
from dymu.reports.collect import Results, results_of
from dymu.reports.pairs import Sample
from dymu.reports.style import paper_style
from dymu.reports.tradeoff import MAX_PAIRS, shown_pairs, trade_off, tradeoff_figure


def sample(preferences: Any, losses: Any) -> Sample:
    empty = np.empty((0, np.shape(preferences)[1]))
    return Sample(
        preferences_SN=np.array(preferences, dtype=np.float64),
        losses_SN=np.array(losses, dtype=np.float64),
        pair_preferences_KN=empty,
        pair_losses_KN=empty,
    )


def on_edges(tasks: int, count: int = 5) -> NDArray[np.float64]:
    """Preferences of all pairs of tasks, each task alone once."""
    inner = [
        [part if task == one else 1 - part if task == other else 0.0 for task in range(tasks)]
        for one, other in combinations(range(tasks), 2)
        for part in np.linspace(0, 1, count)[1:-1]
    ]
    return np.array([*np.eye(tasks).tolist(), *inner])


def paired(arm: str, seed: int, record: Record) -> Record:
    """Losses of 1 to 2 on the pairs of tasks, half the range in other arms, .1 more with each seed."""
    edges = on_edges(len(record.tasks))
    width = 1.0 if arm == "baseline" else 0.5
    losses = (1 + width * (1 - edges) + 0.1 * seed).tolist()
    points = (replace(each, pair_preferences=edges.tolist(), pair_losses=losses) for each in record.points)
    return replace(record, points=tuple(points))


def test_preferences_of_the_pair_alone_are_points_of_the_curve() -> None:
    preference = [[1.0, 0, 0], [0.5, 0.5, 0], [0, 1.0, 0], [0.2, 0.2, 0.6]]
    first = sample(preference, [[0.1, 2, 9], [0.5, 0.6, 9], [2, 0.1, 9], [5, 5, 5]])
    second = sample(preference, [[0.3, 2, 9], [0.7, 0.8, 9], [2, 0.1, 9], [6, 5, 5]])
    found = trade_off([first, second], (0, 1))
    assert found.real
    assert found.curve_B2 == pytest.approx(np.array([[0.2, 2], [0.6, 0.7], [2, 0.1]]))
    assert [seed.tolist() for seed in found.seeds] == [
        [[0.1, 2], [0.5, 0.6], [2, 0.1]],
        [[0.3, 2], [0.7, 0.8], [2, 0.1]],
    ]


def test_what_was_evaluated_on_the_pair_goes_before_evaluation_preferences() -> None:
    beside = sample([[0.6, 0.4, 0.0]], [[9.0, 9, 9]])
    pairs = replace(
        beside, pair_preferences_KN=np.array([[0.5, 0.5, 0.0]]), pair_losses_KN=np.array([[1.0, 2, 3]])
    )
    assert trade_off([pairs], (0, 1)).curve_B2.tolist() == [[1.0, 2.0]]


def test_other_preferences_count_as_much_as_they_give_the_pair() -> None:
    preference = [[0.8, 0.0, 0.2], [0.2, 0.0, 0.8], [0.0, 0.5, 0.5], [0.0, 0.5, 0.5]]
    found = trade_off([sample(preference, [[1.0, 4, 0], [2.0, 4, 0], [5, 1, 0], [7, 3, 0]])], (0, 1), bins=2)
    assert not found.real
    assert found.curve_B2 == pytest.approx(np.array([[1.2, 4], [6, 2]]))


def test_seeds_that_were_evaluated_at_other_preferences_are_not_averaged_one_by_one() -> None:
    first = sample([[1.0, 0.0], [0.5, 0.5]], [[1.0, 2], [2, 1]])
    second = sample([[1.0, 0.0], [0.25, 0.75]], [[1.0, 2], [2, 1]])
    assert not trade_off([first, second], (0, 1)).real


def test_of_two_tasks_every_preference_is_of_the_pair() -> None:
    preference = np.random.default_rng(0).dirichlet((1, 1), size=20)
    found = trade_off([sample(preference, 1 - preference)], (0, 1))
    assert found.real
    assert len(found.curve_B2) == 20
    assert (np.diff(found.curve_B2[:, 0]) > 0).all()
    assert (np.diff(found.curve_B2[:, 1]) < 0).all()


def test_a_method_without_control_is_a_point_though_its_seeds_differ() -> None:
    preference = np.random.default_rng(0).dirichlet((1, 1, 1), size=8)
    seeds = [sample(preference, np.full((8, 3), level)) for level in (1.0, 1.3)]
    assert trade_off(seeds, (0, 1)).is_point
    assert not trade_off([sample(preference, preference)], (0, 1)).is_point


def test_of_many_pairs_those_with_the_widest_range_are_shown() -> None:
    loss = np.array([[0.0, 0, 0, 0], [1, 5, 2, 0.1]])
    pairs = list(combinations(range(4), 2))
    assert shown_pairs(loss, pairs) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert shown_pairs(loss, pairs, limit=2) == [(0, 1), (1, 2)]
    assert shown_pairs(loss, [(0, 3), (0, 2)], limit=1) == [(0, 2)]


def test_each_pair_has_a_panel_and_each_method_a_line(results: Results, fits: Callable[..., None]) -> None:
    with paper_style():
        figure = tradeoff_figure(results)
        fits(figure)
    labels = [(axis.get_xlabel(), axis.get_ylabel()) for axis in figure.axes]
    assert labels[0] == ("loss of left", "loss of right")
    assert len(labels) == 3
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[:2] == ["Ours, c = 0", "Ours, c = 1"]
    assert "A stand-in" in figure.get_supxlabel()
    assert "For the real curves: dymu run ablations.trade_off" in " ".join(figure.get_supxlabel().split())


def test_real_curves_are_drawn_where_records_have_them(study: Any, fits: Callable[..., None]) -> None:
    study.publish(paired)
    with paper_style():
        figure = tradeoff_figure(results_of(study.store, study.manifest))
        fits(figure)
    assert len(figure.axes) == 3
    curves = [line for line in figure.axes[0].lines if line.get_marker() != "None"]
    thin = [line for line in figure.axes[0].lines if line.get_marker() == "None"]
    assert (len(curves), len(thin)) == (6, 18)  # arms by resource preferences, and each seed
    rising = [1.1, 1.35, 1.6, 1.85, 2.1]
    assert np.array(curves[0].get_xdata()) == pytest.approx(np.array(rising))
    assert np.array(curves[0].get_ydata()) == pytest.approx(np.array(rising[::-1]))
    assert len({(line.get_marker(), line.get_linestyle()) for line in curves}) == 6
    assert "stand-in" not in figure.get_supxlabel()
    assert "thin: single seeds" in figure.get_supxlabel()


def test_a_method_that_ignores_preferences_makes_no_stand_in(
    study: Any, other_arm: Callable[..., Any]
) -> None:
    study.arms["single-task"] = other_arm("Single-Task", resources=(None,))

    def change(name: str, seed: int, record: Record) -> Record:
        if name != "single-task":
            return paired(name, seed, record)
        flat = [[0.5 + 0.1 * seed, 0.6, 0.7]] * 20
        return replace(record, points=(replace(record.points[0], losses=flat),))

    study.publish(change)
    with paper_style():
        figure = tradeoff_figure(results_of(study.store, study.manifest))
    assert "stand-in" not in figure.get_supxlabel()
    points = [
        np.array(line.get_xydata()).tolist()
        for line in figure.axes[0].lines
        if line.get_linestyle() == "None"
    ]
    assert points[-1] == pytest.approx(np.array([[0.6, 0.6]]))
    assert len(points[-2]) == 3


@pytest.mark.parametrize(("factor", "scale"), [(1.0, "linear"), (10.0, "log")])
def test_losses_that_differ_manifold_are_drawn_on_logarithmic_axes(
    study: Any, fits: Callable[..., None], factor: float, scale: str
) -> None:
    def change(name: str, seed: int, record: Record) -> Record:
        made = paired(name, seed, record)
        wide = [np.power(np.array(each.pair_losses), factor).tolist() for each in made.points]
        points = (replace(each, pair_losses=rows) for each, rows in zip(made.points, wide, strict=True))
        return replace(made, points=tuple(points))

    study.publish(change)
    with paper_style():
        figure = tradeoff_figure(results_of(study.store, study.manifest))
        fits(figure)
    assert (
        {axis.get_xscale() for axis in figure.axes} == {axis.get_yscale() for axis in figure.axes} == {scale}
    )
    assert ("Logarithmic axes" in figure.get_supxlabel()) == (scale == "log")
    assert all(len([t for t in axis.get_xticks() if _inside(axis, t)]) >= 2 for axis in figure.axes)


def _inside(axis: Any, tick: float) -> bool:
    low, high = axis.get_xlim()
    return bool(low <= tick <= high)


def test_only_pairs_that_were_evaluated_have_a_panel(study: Any) -> None:
    study.tasks = tuple(f"task {number}" for number in range(7))

    def change(name: str, seed: int, record: Record) -> Record:
        made = paired(name, seed, record)
        kept = [0, 1, 2, 3]  # tasks of the pairs 0, 1 and 2, 3
        rows = [row for row in made.points[0].pair_preferences if _of(row, (0, 1)) or _of(row, (2, 3))]
        assert len(rows) == len(kept) + 2 * 3
        points = (
            replace(each, pair_preferences=rows, pair_losses=[[1 + value for value in row] for row in rows])
            for each in made.points
        )
        return replace(made, points=tuple(points))

    study.publish(change)
    with paper_style():
        figure = tradeoff_figure(results_of(study.store, study.manifest))
    assert [(axis.get_xlabel(), axis.get_ylabel()) for axis in figure.axes if axis.axison] == [
        ("loss of task 0", "loss of task 1"),
        ("loss of task 2", "loss of task 3"),
    ]


def _of(row: list[float], pair: tuple[int, int]) -> bool:
    return row[pair[0]] + row[pair[1]] == 1


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
    large = [line for line in figure.axes[0].lines if line.get_marker() == "D" and line.get_markersize() > 4]
    assert len(large) == 1


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
