from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dymu.errors import ReportError
from dymu.reports.collect import results_of
from dymu.reports.resource_entropy import evenness, resource_entropy
from dymu.reports.style import paper_style


def test_corners_are_uneven_and_the_middle_is_even() -> None:
    rows = np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]])
    assert evenness(rows) == pytest.approx([0.0, 1.0, 0.5])


@pytest.mark.parametrize("count", [2, 5])
def test_each_arm_has_a_panel_and_each_c_a_line(study: Any, count: int, fits: Callable[..., None]) -> None:
    study.tasks = tuple(f"task {number}" for number in range(count))
    study.publish()
    with paper_style():
        figure = resource_entropy(results_of(study.store, study.manifest))
        fits(figure)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == ["Ours", "no L_inactive", "no task affinity"]
    mean = figure.axes[0].lines[1].get_ydata()
    assert np.all(np.diff(mean) >= -1), "the synthetic cost rises with evenness"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["c = 0", "c = 1"]


def test_without_costs_it_says_which_command_makes_them(study: Any) -> None:
    study.without = tuple((arm, seed) for arm in study.arms for seed in study.seeds)
    study.publish()
    with pytest.raises(ReportError, match="costs of sampled preferences; make one with `dymu run"):
        resource_entropy(results_of(study.store, study.manifest))
