from typing import Any

import pytest

from dymu.errors import ReportError
from dymu.reports.collect import Results, results_of
from dymu.reports.cost_distribution import cost_distribution
from dymu.reports.style import paper_style


def test_each_arm_and_c_has_a_box_inside_the_axis(results: Results) -> None:
    with paper_style():
        (axis,) = cost_distribution(results).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "Ours",
        "no L_inactive",
        "no task affinity",
    ]
    boxes = [patch.get_extents().transformed(axis.transData.inverted()) for patch in axis.patches]
    assert len(boxes) == 6
    low, high = axis.get_xlim()
    assert all(low < box.x0 <= box.x1 < high for box in boxes)


def test_any_number_of_tasks_can_be_drawn(study: Any) -> None:
    study.tasks = ("a", "b", "c", "d", "e")
    study.publish()
    with paper_style():
        assert cost_distribution(results_of(study.store, study.manifest)).axes


def test_without_costs_there_is_no_figure(study: Any) -> None:
    study.without = tuple((arm, seed) for arm in study.arms for seed in study.seeds)
    study.publish()
    with pytest.raises(ReportError, match="dymu run"):
        cost_distribution(results_of(study.store, study.manifest))
