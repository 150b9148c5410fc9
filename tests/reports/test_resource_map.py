from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dymu.artifacts.record import Record
from dymu.errors import ReportError
from dymu.reports.collect import Results, results_of
from dymu.reports.resource_map import at_centres, lattice, resource_map, shares_of
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


def test_a_triangle_has_the_value_of_the_samples_near_its_centre() -> None:
    points_VN, triangles = lattice(12)
    rng = np.random.default_rng(0)
    preference_SN = rng.dirichlet(np.ones(3), size=4000)
    value_T = at_centres(points_VN, triangles, (preference_SN, preference_SN[:, 0]))
    centre_T = points_VN[triangles].mean(axis=1)[:, 0]
    assert np.abs(value_T - centre_T).max() < 0.08


def test_one_sample_is_everywhere() -> None:
    points_VN, triangles = lattice(3)
    value_T = at_centres(points_VN, triangles, (np.array([[1.0, 0.0, 0.0]]), np.array([0.4])))
    assert value_T.tolist() == [0.4] * 9


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
    norms = {(axis.collections[0].norm.vmin, axis.collections[0].norm.vmax) for axis in maps}
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
    norm = figure.axes[0].collections[0].norm
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
