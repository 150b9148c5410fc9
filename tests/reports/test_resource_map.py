from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dymu.artifacts.record import Record
from dymu.errors import ReportError
from dymu.reports.collect import Results, results_of
from dymu.reports.resource_map import (
    lattice,
    nearest_samples,
    pixel_triangles,
    resource_map,
    shares_of,
)
from dymu.reports.style import paper_style


def texts(figure: Any) -> list[str]:
    return [text.get_text() for axis in figure.axes for text in axis.texts]


@pytest.mark.parametrize("side", [1, 2, 7])
def test_the_lattice_covers_the_triangle_once(side: int) -> None:
    points_VN, triangles = lattice(side)
    assert points_VN.shape == ((side + 1) * (side + 2) // 2, 3)
    assert np.allclose(points_VN.sum(axis=1), 1)
    corners = points_VN[triangles][:, :, :2]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    assert areas == pytest.approx(0.5 / side**2)
    assert len({tuple(sorted(t)) for t in triangles.tolist()}) == side**2


def test_a_triangle_has_the_sample_nearest_to_its_centre() -> None:
    points_VN, triangles = lattice(12)
    preference_SN = np.random.default_rng(0).dirichlet(np.ones(3), size=400)
    nearest_T = nearest_samples(preference_SN, 12)
    centre_TN = points_VN[triangles].mean(axis=1)
    distance_TS = np.linalg.norm(centre_TN[:, None] - preference_SN, axis=2)
    assert np.allclose(distance_TS[np.arange(144), nearest_T], distance_TS.min(axis=1))


def test_one_sample_is_everywhere() -> None:
    assert nearest_samples(np.array([[1.0, 0.0, 0.0]]), 3).tolist() == [0] * 9


@pytest.mark.parametrize("side", [1, 2, 7])
def test_pixels_lie_in_their_triangle(side: int) -> None:
    pixels = 60
    points_VN, triangles = lattice(side)
    under = pixel_triangles(side, pixels)
    assert set(under.flat) == set(range(side**2))
    for row, column in np.ndindex(pixels, pixels):
        up, across = (row + 0.5) / pixels, (column + 0.5) / pixels
        preference_N = np.array([up, 1 - across - up / 2, across - up / 2])
        if preference_N.min() < 0:
            continue  # outside
        corners_NN = points_VN[triangles[under[row, column]]]
        inside_N = np.linalg.solve(corners_NN.T, preference_N)
        assert inside_N.min() > -1e-9, (row, column)


def test_the_first_task_is_above_and_the_second_at_the_left(study: Any) -> None:
    study.arms = {"baseline": study.arms["baseline"]}

    def rise(_name: str, _: int, record: Record) -> Record:
        costs = [[100 * row[task] for row in record.points[0].cost_preferences] for task in (0, 1)]
        points = [replace(p, cost_parameters=c) for p, c in zip(record.points, costs, strict=True)]
        return replace(record, points=tuple(points))

    study.publish(rise)
    with paper_style():
        first, second, _ = resource_map(results_of(study.store, study.manifest)).axes
    by_first, by_second = (np.asarray(axis.images[0].get_array()) for axis in (first, second))
    middle = by_first.shape[1] // 2
    assert by_first[-1, middle] > 0.9 * by_first.max()
    assert by_second[0, 0] > 0.9 * by_second.max() > 2 * by_second[0, -1]
    for corner, place in (((1, 0, 0), (0.5, 1)), ((0, 1, 0), (0, 0)), ((0, 0, 1), (1, 0))):
        (dot,) = first.plot(*([part] for part in corner))
        on_page = dot.get_transform().transform(dot.get_xydata())
        assert first.transAxes.inverted().transform(on_page)[0] == pytest.approx(place, abs=1e-9)


def test_shares_are_parts_of_the_anchor_net_averaged_over_seeds(results: Results) -> None:
    records = list(results.of("baseline").values())
    preference_SN, share_S = shares_of(records)[1.0]
    assert preference_SN.shape == (200, 3)
    expected = np.mean([np.array(r.points[1].cost_parameters) / r.anchor_parameters for r in records], axis=0)
    assert share_S == pytest.approx(expected)


def test_each_arm_has_a_row_each_c_a_column_and_all_share_one_scale(results: Results) -> None:
    with paper_style():
        figure = resource_map(results)
    *maps, bar = figure.axes
    assert len(maps) == 6
    assert bar.get_xlabel() == "active parameters as part of the anchor net"
    norms = {(axis.images[0].norm.vmin, axis.images[0].norm.vmax) for axis in maps}
    assert len(norms) == 1
    assert [axis.get_title() for axis in maps[:2]] == ["c = 0", "c = 1"]
    assert texts(figure).count("left") == 6
    assert {"Ours", "no L_inactive", "no task affinity", "54 %"} <= set(texts(figure))


def test_a_method_without_c_has_one_column(study: Any, other_arm: Callable[..., Any]) -> None:
    study.arms = {"baseline": other_arm("PHN-BN", resources=(None,))}
    study.publish()
    with paper_style():
        figure = resource_map(results_of(study.store, study.manifest))
    assert len(figure.axes) == 2


def test_two_tasks_have_no_triangle(study: Any) -> None:
    study.tasks = ("left", "right")
    study.publish()
    with pytest.raises(
        ReportError, match=r"needs three tasks; digits-ours has 2 \(left, right\).*resource_entropy"
    ):
        resource_map(results_of(study.store, study.manifest))


def test_without_costs_there_is_no_map(study: Any) -> None:
    study.without = tuple((arm, seed) for arm in study.arms for seed in study.seeds)
    study.publish()
    with pytest.raises(ReportError, match="costs of sampled preferences"):
        resource_map(results_of(study.store, study.manifest))


def test_a_map_of_equal_shares_has_a_scale_that_ends_with_them(
    study: Any, other_arm: Callable[..., Any]
) -> None:
    study.arms = {"baseline": other_arm("Single-Task", cost=9.0, resources=(None,))}
    study.publish()
    with paper_style():
        figure = resource_map(results_of(study.store, study.manifest))
    norm = figure.axes[0].images[0].norm
    assert (norm.vmin, norm.vmax) == pytest.approx((0.9, 1.0))


def test_text_fits_and_missing_records_are_listed(study: Any, fits: Callable[..., None]) -> None:
    study.without = (("baseline", 2),)
    study.publish()
    with paper_style():
        figure = resource_map(results_of(study.store, study.manifest))
        fits(figure)
    assert figure.get_supxlabel() == "No record of Ours at seed 2"


def test_what_always_runs_the_same_stands_in_a_note(study: Any, other_arm: Callable[..., Any]) -> None:
    study.arms = {"baseline": study.arms["baseline"], "one": other_arm("Single-Task", resources=(None,))}

    def level(name: str, _: int, record: Record) -> Record:
        if name == "baseline":
            return record
        (point,) = record.points
        whole = [record.anchor_parameters] * len(point.cost_parameters)
        return replace(record, points=(replace(point, cost_parameters=whole),))

    study.publish(level)
    figure = resource_map(results_of(study.store, study.manifest))
    assert figure.get_supxlabel() == "Single-Task: 100 % at every preference."
    assert len(figure.axes) == 3, "two triangles and the bar"
