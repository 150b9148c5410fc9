from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from dymu.errors import ReportError
from dymu.reports.collect import Results, results_of
from dymu.reports.hypervolume_figure import attained_of, hypervolume_figure
from dymu.reports.style import paper_style


def texts(figure: Any) -> list[str]:
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def test_what_is_attained_is_of_the_median_seed(results: Results) -> None:
    found = attained_of(results, "baseline")
    assert set(found) == {0.0, 1.0}
    volumes = results.values("baseline", "hypervolume/c=0")
    middle = sorted(volumes, key=lambda seed: volumes[seed])[1]
    assert found[0.0].seed == middle
    assert found[0.0].volume == pytest.approx(np.mean(list(volumes.values())))
    losses = np.array(results.records["baseline", middle].points[0].losses)
    assert all((losses == point).all(axis=1).any() for point in found[0.0].points_KN)
    assert (found[0.0].points_KN < 3.0).all()


def test_three_tasks_are_seen_in_space(results: Results, fits: Callable[..., None]) -> None:
    with paper_style():
        figure = hypervolume_figure(results)
        fits(figure)
    assert len(figure.axes) == 6
    assert {"Ours", "no L_inactive", "left", "right", "parity"} <= set(texts(figure))
    assert "HV 16" in texts(figure)
    faces = [each for each in figure.axes[0].collections if isinstance(each, PolyCollection)]
    assert len(faces) == 3


def test_two_tasks_are_an_area(study: Any, fits: Callable[..., None]) -> None:
    study.tasks = ("left", "right")
    study.publish()
    with paper_style():
        figure = hypervolume_figure(results_of(study.store, study.manifest))
        fits(figure)
    assert figure.axes[0].get_ylabel() == "loss of right"
    assert figure.axes[-1].get_xlabel() == "loss of left"
    assert "Area" in figure.get_supxlabel()


def test_more_tasks_are_lines_across(study: Any, fits: Callable[..., None]) -> None:
    study.tasks = tuple(f"task {number}" for number in range(6))
    study.publish()
    results = results_of(study.store, study.manifest)
    with paper_style():
        figure = hypervolume_figure(results)
        fits(figure)
    count = len(attained_of(results, "baseline")[0.0].points_KN)
    assert len(figure.axes[0].lines) == count + 1, "the reference point is a line too"


def test_a_method_without_c_stands_in_the_first_column(study: Any, other_arm: Callable[..., Any]) -> None:
    study.arms["single-task"] = other_arm("Single-Task", resources=(None,))
    study.publish()
    with paper_style():
        figure = hypervolume_figure(results_of(study.store, study.manifest))
    assert len(figure.axes) == 8
    assert not figure.axes[-1].texts


def test_losses_beyond_the_reference_attain_nothing(study: Any) -> None:
    def worsen(_: str, __: int, record: Any) -> Any:
        for point in record.points:
            for row in point.losses:
                row[0] = 4.0
        return record

    study.publish(worsen)
    results = results_of(study.store, study.manifest)
    assert attained_of(results, "baseline")[0.0].points_KN.shape == (0, 3)
    with paper_style():
        hypervolume_figure(results).draw_without_rendering()


def test_without_records_it_says_which_command_makes_them(study: Any) -> None:
    study.without = tuple((arm, seed) for arm in study.arms for seed in study.seeds)
    study.publish()
    with pytest.raises(ReportError, match="has no records; make them with `dymu run"):
        hypervolume_figure(results_of(study.store, study.manifest))
