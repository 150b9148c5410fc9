from collections.abc import Callable
from typing import Any

import pytest

from dymu.errors import ReportError
from dymu.reports.collect import results_of
from dymu.reports.style import paper_style
from dymu.reports.sweep_figure import sweep_figure


@pytest.fixture
def swept(study: Any, other_arm: Callable[..., Any]) -> Any:
    study.arms = {
        f"threshold-{value}": other_arm(f"{value}", changes={"method.edge.active_threshold": value})
        for value in (0.1, 0.2, 0.5)
    }
    return study


def test_each_value_has_a_panel_and_each_c_a_line(swept: Any, fits: Callable[..., None]) -> None:
    swept.publish()
    with paper_style():
        figure = sweep_figure(results_of(swept.store, swept.manifest))
        fits(figure)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == ["hypervolume", "uniformity", "active parameters, % of anchor net"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["c = 0", "c = 1"]
    assert figure.axes[0].get_xticks() == pytest.approx([0.1, 0.2, 0.5])
    assert figure.axes[0].get_xlabel() == "active threshold"
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx([16.0, 16.0, 16.0])


def test_missing_arms_are_listed(swept: Any) -> None:
    swept.without = tuple(("threshold-0.5", seed) for seed in swept.seeds)
    swept.publish()
    with paper_style():
        figure = sweep_figure(results_of(swept.store, swept.manifest))
    assert figure.get_supxlabel().endswith("No record of 0.5 at seed 0, 1, 2")


def test_without_records_it_says_which_command_makes_them(swept: Any) -> None:
    swept.without = tuple((arm, seed) for arm in swept.arms for seed in swept.seeds)
    swept.publish()
    with pytest.raises(ReportError, match="has no records; make them with `dymu run ablations"):
        sweep_figure(results_of(swept.store, swept.manifest))
