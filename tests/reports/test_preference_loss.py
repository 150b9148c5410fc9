from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dymu.errors import ReportError
from dymu.reports.collect import Results, results_of
from dymu.reports.preference_loss import MAX_COLUMNS, binned, losses_of, preference_loss
from dymu.reports.style import paper_style


def test_bins_hold_equally_many_points_in_order() -> None:
    x, y = binned(np.array([0.9, 0.1, 0.5, 0.3]), np.array([1.0, 9.0, 5.0, 7.0]), bins=2)
    assert x == pytest.approx([0.2, 0.7])
    assert y == pytest.approx([8.0, 3.0])


def test_fewer_points_than_bins_make_fewer_bins() -> None:
    x, _ = binned(np.array([0.5, 0.2]), np.array([1.0, 2.0]), bins=5)
    assert x.tolist() == [0.2, 0.5]


def test_seeds_are_averaged_at_each_preference(results: Results) -> None:
    records = list(results.of("baseline").values())
    preference_SN, loss_SN = losses_of(records)[0.0]
    assert preference_SN.shape == loss_SN.shape == (20, 3)
    assert loss_SN == pytest.approx(np.mean([record.points[0].losses for record in records], axis=0))


def test_rows_are_arms_columns_tasks_and_a_task_has_one_scale(results: Results) -> None:
    with paper_style():
        figure = preference_loss(results)
    assert len(figure.axes) == 9
    assert [axis.get_title() for axis in figure.axes[:3]] == ["left", "right", "parity"]
    assert figure.axes[3].get_ylabel() == "no L_inactive\ntest loss"
    limits = {figure.axes[row * 3].get_ylim() for row in range(3)}
    assert len(limits) == 1
    assert all(len(axis.lines) == 4 for axis in figure.axes)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["c = 0", "c = 1"]


def test_the_line_falls_where_the_loss_falls(results: Results) -> None:
    with paper_style():
        line = preference_loss(results).axes[0].lines[1]
    losses = np.asarray(line.get_ydata(), dtype=float)
    assert (np.diff(losses) < 0).all()


def test_without_records_there_is_no_figure(study: Any) -> None:
    study.without = tuple((arm, seed) for arm in study.arms for seed in study.seeds)
    study.publish()
    with pytest.raises(ReportError, match="has no records"):
        preference_loss(results_of(study.store, study.manifest))


@pytest.mark.parametrize("count", [2, 5, 7])
def test_any_number_of_tasks_fits_a_page(study: Any, count: int, fits: Callable[..., None]) -> None:
    study.tasks = tuple(f"task {number}" for number in range(count))
    study.without = (("baseline", 1),)
    study.publish()
    with paper_style():
        figure = preference_loss(results_of(study.store, study.manifest))
        fits(figure)
    shown = [axis for axis in figure.axes if axis.axison]
    assert len(shown) == (3 * count if count <= MAX_COLUMNS else count)
    assert figure.get_supxlabel().endswith("No record of Ours at seed 1")


def test_one_scale_holds_the_points_of_all_arms(study: Any) -> None:
    def worsen(name: str, _: int, record: Any) -> Any:
        for row in record.points[0].losses if name == "no-affinity" else ():
            row[0] += 5.0
        return record

    study.publish(worsen)
    with paper_style():
        figure = preference_loss(results_of(study.store, study.manifest))
    limits = {axis.get_ylim() for axis in figure.axes[::3]}
    assert len(limits) == 1
    assert next(iter(limits))[1] > 5.0
