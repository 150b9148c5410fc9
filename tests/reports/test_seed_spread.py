from collections.abc import Callable
from typing import Any

import pytest

from dymu.errors import ReportError
from dymu.reports.collect import Results, results_of
from dymu.reports.seed_spread import seed_spread, spread_of
from dymu.reports.style import paper_style


def test_every_seed_has_its_value(results: Results) -> None:
    found = spread_of(results, "hypervolume")
    assert found["baseline", 0.0] == pytest.approx({0: 15.7, 1: 16.0, 2: 16.3})
    assert found["no-affinity", 1.0] == pytest.approx({0: 6.7, 1: 7.0, 2: 7.3})
    assert len(found) == 6


def test_methods_without_c_have_a_row_of_their_own(study: Any, other_arm: Callable[..., Any]) -> None:
    study.arms = {"baseline": other_arm("PHN-BN", resources=(None,))}
    study.publish()
    assert list(spread_of(results_of(study.store, study.manifest), "uniformity")) == [("baseline", None)]


def test_each_value_has_a_panel_and_each_arm_a_name(results: Results, fits: Callable[..., None]) -> None:
    with paper_style():
        figure = seed_spread(results)
        fits(figure)
    assert [axis.get_xlabel() for axis in figure.axes] == [
        "hypervolume",
        "uniformity",
        "active parameters,\n% of anchor net",
    ]
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["Ours", "no L_inactive", "no task affinity"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["c = 0", "c = 1"]


def test_a_single_seed_has_no_interval(study: Any) -> None:
    study.seeds = (0,)
    study.publish()
    with paper_style():
        figure = seed_spread(results_of(study.store, study.manifest))
    assert not figure.axes[0].collections
    assert not figure.axes[0].containers


def test_missing_seeds_are_listed(study: Any) -> None:
    study.without = (("baseline", 1),)
    study.publish()
    with paper_style():
        figure = seed_spread(results_of(study.store, study.manifest))
    assert figure.get_supxlabel().endswith("No record of Ours at seed 1")


def test_without_records_it_says_which_command_makes_them(study: Any) -> None:
    study.without = tuple((arm, seed) for arm in study.arms for seed in study.seeds)
    study.publish()
    with pytest.raises(ReportError, match="has no records; make them with `dymu run"):
        seed_spread(results_of(study.store, study.manifest))
