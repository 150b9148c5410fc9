from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from dymu.errors import ReportError
from dymu.reports.collect import results_of
from dymu.reports.curves import curves
from dymu.reports.style import paper_style
from dymu.tracking.spool import Spool


def labels(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def titles(figure: Any) -> list[str]:
    return [axis.get_title(loc="left") for axis in figure.axes if axis.axison]


def test_each_stage_has_a_figure_and_a_shared_step_one_line(study: Any) -> None:
    study.publish()
    study.publish_curves()
    with paper_style():
        found = curves(results_of(study.store, study.manifest), study.store)
    assert list(found) == ["anchor", "edge"]
    assert labels(found["anchor"]) == ["all arms"]
    assert labels(found["edge"]) == ["Ours", "no L_inactive", "no task affinity"]


def test_panels_go_from_the_objective_to_what_is_set(study: Any) -> None:
    study.publish()
    study.publish_curves()
    with paper_style():
        figure = curves(results_of(study.store, study.manifest), study.store)["edge"]
    assert titles(figure) == [
        "objective",
        "loss/left",
        "loss/right",
        "loss/parity",
        "active loss",
        "inactive loss",
        "learning rate",
        "temperature",
    ]


def test_seeds_are_thin_lines_and_their_mean_a_thick_one(study: Any) -> None:
    study.publish()
    study.publish_curves()
    with paper_style():
        panel = curves(results_of(study.store, study.manifest), study.store)["anchor"].axes[0]
    thin: Any = panel.collections
    assert [(len(seeds.get_segments()), *seeds.get_linewidths()) for seeds in thin] == [(3, 0.4)]
    assert [line.get_linewidth() for line in panel.lines] == [1.1]


def test_many_seeds_are_a_band(study: Any) -> None:
    study.arms, study.seeds = {"baseline": study.arms["baseline"]}, tuple(range(7))
    study.publish()
    for seed in study.seeds:
        address = study.steps("baseline", seed)["edge"]
        spool = Spool(study.store.work_dir(address), address=address)
        for step in range(3):
            spool.log(step, {"objective": float(seed + step)})
    with paper_style():
        panel = curves(results_of(study.store, study.manifest), study.store)["edge"].axes[0]
    (band,) = panel.collections
    assert isinstance(band, PolyCollection)
    corners = {tuple(corner) for corner in np.asarray(band.get_paths()[0].vertices).tolist()}
    assert corners == {(0, 0), (1, 1), (2, 2), (0, 6), (1, 7), (2, 8)}
    assert np.asarray(panel.lines[0].get_ydata()).tolist() == [3.0, 4.0, 5.0]


def test_the_nets_of_a_static_grid_are_lines_of_one_figure(grid_study: Any) -> None:
    grid_study.arms, grid_study.seeds = {"static-grid": grid_study.arms["static-grid"]}, (0, 1)
    grid_study.arms["static-grid"].nets = 3
    grid_study.publish()
    for seed in grid_study.seeds:
        for address in list(grid_study.steps("static-grid", seed).values())[:3]:
            spool = Spool(grid_study.store.work_dir(address), address=address)
            for step in range(3):
                spool.log(step, {"objective": 1.0 / (step + 1)})
    with paper_style():
        found = curves(results_of(grid_study.store, grid_study.manifest), grid_study.store)
    assert list(found) == ["shared"]
    panel = found["shared"].axes[0]
    thin: Any = panel.collections
    assert [len(nets.get_segments()) for nets in thin] == [6]
    assert len(panel.lines) == 1
    assert labels(found["shared"]) == ["Static MTL"]


def test_a_running_step_is_drawn_as_far_as_it_is(study: Any) -> None:
    study.without = tuple((arm, seed) for arm in study.arms for seed in study.seeds)
    study.publish()
    address = study.steps("no-affinity", 1)["edge"]
    spool = Spool(study.store.work_dir(address), address=address)
    for step in range(3):
        spool.log(step, {"objective": 1.0 / (step + 1)})
    with paper_style():
        found = curves(results_of(study.store, study.manifest), study.store)
    assert list(found) == ["edge"]
    assert labels(found["edge"]) == ["no task affinity"]


def test_nothing_logged_is_said(study: Any) -> None:
    study.publish()
    with pytest.raises(ReportError, match="has logged metrics"):
        curves(results_of(study.store, study.manifest), study.store)


def test_of_many_tasks_the_mean_is_drawn_and_a_single_value_is_no_curve(study: Any) -> None:
    study.tasks = tuple("abcdef")
    address = study.steps("baseline", 0)["edge"]
    spool = Spool(study.store.work_dir(address), address=address)
    for step in (0, 1, 2):
        once = {"validation_loss/a": 1.0} if step == 2 else {}
        spool.log(step, {"objective": 1.0} | {f"loss/{task}": float(step) for task in study.tasks} | once)
    study.publish()
    (figure,) = curves(results_of(study.store, study.manifest), study.store).values()
    assert titles(figure) == ["objective", "loss, mean over tasks"]
    mean: Any = figure.axes[1].lines[-1].get_ydata()
    assert list(mean) == [0.0, 1.0, 2.0]


@pytest.mark.filterwarnings("error")
def test_a_constant_that_rounding_makes_two_values_has_an_axis(study: Any) -> None:
    study.publish()
    for seed, rate in enumerate((0.001, np.nextafter(0.001, 1))):
        address = study.steps("baseline", seed)["edge"]
        spool = Spool(study.store.work_dir(address), address=address)
        for step in range(3):
            spool.log(step, {"objective": 1.0, "learning_rate": float(rate)})
    with paper_style():
        figure = curves(results_of(study.store, study.manifest), study.store)["edge"]
        low, high = figure.axes[titles(figure).index("learning rate")].get_ylim()
    assert (low, high) == pytest.approx((0.0005, 0.002))
