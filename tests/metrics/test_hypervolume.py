"""Closed forms, invariances, and agreement with moocore, Optuna and a count of grid cells."""

import itertools
import time

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from optuna._hypervolume.wfg import compute_hypervolume as optuna_hypervolume

from dymu.errors import SpecError, TrainingError
from dymu.metrics import hypervolume as module
from dymu.metrics.hypervolume import (
    HYPERVOLUME,
    best_point_hypervolume,
    hypervolume,
    hypervolume_info,
    subset_hypervolumes,
)

Floats = NDArray[np.float64]


def sphere_front(count: int, coordinates: int, seed: int) -> Floats:
    """Points of which none dominates another, inside the unit box."""
    directions = np.abs(np.random.default_rng(seed).normal(size=(count, coordinates)))
    front: Floats = 1 - directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return front


def grid_points(coordinates: int) -> st.SearchStrategy[list[tuple[int, ...]]]:
    """Points on a coarse grid: ties, duplicates, dominated ones and ones outside the box 0 .. 4."""
    return st.lists(st.tuples(*[st.integers(0, 5)] * coordinates), max_size=7)


def cells_dominated(points: list[tuple[int, ...]], coordinates: int) -> int:
    """Number of unit cells of the box 0 .. 4 that some point dominates: the definition, counted."""
    return sum(
        any(all(p <= c for p, c in zip(point, cell, strict=True)) for point in points)
        for cell in itertools.product(range(4), repeat=coordinates)
    )


@given(st.integers(1, 5).flatmap(lambda d: st.tuples(st.just(d), grid_points(d))))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_it_is_the_number_of_dominated_cells(case: tuple[int, list[tuple[int, ...]]]) -> None:
    coordinates, points = case
    expected = cells_dominated(points, coordinates)
    assert hypervolume(points, np.full(coordinates, 4.0)) == pytest.approx(expected, rel=1e-12, abs=0)
    edges = module._nondominated(module._edges(points, np.full(coordinates, 4.0)))
    assert module._by_exclusive_boxes(edges) == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize("coordinates", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("seed", range(8))
def test_it_agrees_with_moocore(coordinates: int, seed: int) -> None:
    rng = np.random.default_rng([coordinates, seed])
    points = rng.random((14, coordinates)) * 1.2  # some outside the box
    reference = np.ones(coordinates)
    expected = moocore.hypervolume(points, ref=reference)
    edges = module._nondominated(module._edges(points, reference))
    assert hypervolume(points, reference) == pytest.approx(expected, rel=1e-12, abs=0)
    assert module._by_exclusive_boxes(edges) == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize(("count", "coordinates"), [(20, 3), (30, 5), (30, 7), (22, 11), (12, 12), (16, 20)])
def test_it_agrees_with_optuna(count: int, coordinates: int) -> None:
    points, reference = sphere_front(count, coordinates, seed=count), np.ones(coordinates)
    expected = float(optuna_hypervolume(points, reference))
    assert hypervolume(points, reference) == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize("leaf", [1, 4, 12])
def test_recursion_and_enumeration_agree(leaf: int, monkeypatch: pytest.MonkeyPatch) -> None:
    points, reference = sphere_front(16, 12, seed=3), np.ones(12)
    expected = hypervolume(points, reference)
    monkeypatch.setattr(module, "_MAX_ENUMERATED_POINTS", leaf)
    assert hypervolume(points, reference) == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize("coordinates", [1, 2, 10, 11, 20])
def test_one_point_spans_its_box(coordinates: int) -> None:
    assert hypervolume([[0.25] * coordinates], [1.0] * coordinates) == pytest.approx(
        0.75**coordinates, rel=1e-13, abs=0
    )


@pytest.mark.parametrize("coordinates", [2, 3, 10, 13])
def test_boxes_that_are_thin_in_one_coordinate_each(coordinates: int) -> None:
    # Point i reaches 0 in coordinate i and 1/2 elsewhere: the common half cube and one half cube more each.
    points = np.full((coordinates, coordinates), 0.5)
    np.fill_diagonal(points, 0.0)
    expected = 0.5**coordinates * (1 + coordinates)
    assert hypervolume(points, np.ones(coordinates)) == pytest.approx(expected, rel=1e-13, abs=0)


@pytest.mark.parametrize("coordinates", [3, 12])
def test_no_point_spans_nothing(coordinates: int) -> None:
    reference = np.ones(coordinates)
    assert hypervolume([], reference) == 0.0
    assert hypervolume(np.empty((0, coordinates)), reference) == 0.0
    assert best_point_hypervolume([], reference) == 0.0


@pytest.mark.parametrize("coordinates", [3, 12])
def test_points_that_do_not_beat_the_reference_strictly_are_dropped(coordinates: int) -> None:
    inside = np.full(coordinates, 0.5)
    on_the_face, outside = inside.copy(), inside.copy()
    on_the_face[0], outside[0] = 1.0, 1.5
    outside[1] = 0.0  # clipping would give it a box
    reference = np.ones(coordinates)
    assert hypervolume([on_the_face, outside], reference) == 0.0
    assert hypervolume([inside, on_the_face, outside], reference) == hypervolume([inside], reference)
    assert best_point_hypervolume([outside], reference) == 0.0


@pytest.mark.parametrize("coordinates", [4, 12])
def test_order_duplicates_and_dominated_points_do_not_matter(coordinates: int) -> None:
    points, reference = sphere_front(10, coordinates, seed=1), np.ones(coordinates)
    expected = hypervolume(points, reference)
    worse = points + 0.01
    assert hypervolume(np.concatenate([worse, points[::-1], points]), reference) == pytest.approx(
        expected, rel=1e-13, abs=0
    )


@pytest.mark.parametrize("coordinates", [3, 12])
def test_scale_and_origin_of_each_coordinate_factor_out(coordinates: int) -> None:
    rng = np.random.default_rng(5)
    scale, shift = rng.random(coordinates) + 0.5, rng.random(coordinates)
    points, reference = sphere_front(9, coordinates, seed=2), np.ones(coordinates)
    moved = hypervolume(points * scale + shift, reference * scale + shift)
    assert moved == pytest.approx(hypervolume(points, reference) * scale.prod(), rel=1e-12, abs=0)


@pytest.mark.parametrize("coordinates", [3, 12])
def test_lower_losses_give_more_volume(coordinates: int) -> None:
    points, reference = sphere_front(9, coordinates, seed=2), np.ones(coordinates)
    assert HYPERVOLUME.higher_is_better is True
    assert hypervolume(points - 0.05, reference) > hypervolume(points, reference)


@pytest.mark.parametrize("spread", [1e-2, 1e-6, 1e-10])
def test_near_equal_points_lose_no_digits(spread: float) -> None:
    # 2^18 boxes of nearly the same volume cancel; the union lies between the best box and the hull's.
    points = 0.5 + spread * sphere_front(18, 20, seed=4)
    volume = hypervolume(points, np.ones(20))
    assert best_point_hypervolume(points, np.ones(20)) <= volume * (1 + 1e-13)
    assert volume <= np.prod(1 - points.min(axis=0)) * (1 + 1e-13)
    unit = hypervolume(sphere_front(18, 20, seed=4), np.full(20, 0.5 / spread)) * spread**20
    assert volume == pytest.approx(unit, rel=1e-11, abs=0)


def test_twenty_points_in_twenty_coordinates_take_less_than_seconds() -> None:
    points = sphere_front(20, 20, seed=6)
    started = time.process_time()
    volume = hypervolume(points, np.ones(20))
    assert time.process_time() - started < 2.0  # about 0.03 on an idle core
    assert 0 < best_point_hypervolume(points, np.ones(20)) < volume < 1


def test_the_best_point_has_the_largest_box() -> None:
    assert best_point_hypervolume([[1.0, 1.0], [0.0, 1.9], [5.0, 0.0]], [2.0, 2.0]) == 1.0


def test_the_range_is_the_box_below_the_reference() -> None:
    info = hypervolume_info([4.0, 4.0, 2.0])
    assert (info.lower, info.upper, info.higher_is_better) == (0.0, 32.0, True)
    assert hypervolume([[0.0, 0.0, 0.0]], [4.0, 4.0, 2.0]) == info.upper


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("coordinates", [3, 12])
def test_losses_that_are_not_finite_are_refused(bad: float, coordinates: int) -> None:
    points = np.zeros((3, coordinates))
    points[1, 2] = bad
    with pytest.raises(TrainingError, match=f"loss 2 of point 1 is {bad}"):
        hypervolume(points, np.ones(coordinates))
    with pytest.raises(TrainingError, match="finite"):
        best_point_hypervolume(points, np.ones(coordinates))


@pytest.mark.parametrize("reference", [[], [[1.0, 1.0]], [1.0, np.inf], [1.0, np.nan]])
def test_reference_points_that_make_no_box_are_refused(reference: list[float]) -> None:
    with pytest.raises(SpecError, match="reference point"):
        hypervolume([[0.5, 0.5]], reference)


@pytest.mark.parametrize("points", [[0.5, 0.5], [[0.5, 0.5, 0.5]], [[[0.5, 0.5]]]])
def test_points_that_do_not_fit_the_reference_are_refused(points: list[float]) -> None:
    with pytest.raises(SpecError, match="2 coordinates"):
        hypervolume(points, [1.0, 1.0])


def members(points: Floats, index: int) -> Floats:
    chosen: Floats = points[[point for point in range(len(points)) if index >> point & 1]]
    return chosen


@pytest.mark.parametrize("coordinates", [1, 2, 3, 6, 12])
def test_every_subset_has_its_own_hypervolume(coordinates: int) -> None:
    points = np.random.default_rng(coordinates).random((8, coordinates)) * 1.2  # some outside the box
    points[3] = points[5]
    found = subset_hypervolumes(points, np.ones(coordinates))
    assert len(found) == 256
    for index, volume in enumerate(found):
        expected = hypervolume(members(points, index), np.ones(coordinates))
        assert volume == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("coordinates", [2, 3, 20])
def test_subsets_of_twenty_points_agree_with_single_calls(coordinates: int) -> None:
    points, reference = sphere_front(20, coordinates, seed=1), np.ones(coordinates)
    found = subset_hypervolumes(points, reference)
    for index in (2**20 - 1, *np.random.default_rng(0).integers(0, 2**20, 20).tolist()):
        assert found[index] == pytest.approx(hypervolume(members(points, index), reference), abs=1e-9)


def test_points_that_almost_agree_do_not_spoil_the_sums() -> None:
    points = np.full((20, 3), 0.5) + 1e-9 * np.random.default_rng(0).random((20, 3))
    assert np.abs(subset_hypervolumes(points, np.ones(3))[1:] - 0.125).max() < 1e-8


def test_no_points_have_one_subset() -> None:
    assert subset_hypervolumes(np.empty((0, 3)), np.ones(3)).tolist() == [0.0]


def test_too_many_subsets_are_refused() -> None:
    with pytest.raises(SpecError, match=r"21 points have 2\^21 subsets; at most 20"):
        subset_hypervolumes(np.zeros((21, 2)), np.ones(2))
