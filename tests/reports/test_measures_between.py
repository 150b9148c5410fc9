from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dymu.artifacts.record import Record, Value
from dymu.reports.checks import FRUGAL, RICH, Case, Margins, rich
from dymu.reports.collect import results_of
from dymu.reports.measures_between import (
    flat_over,
    losses_above,
    losses_rise_with_c,
    sided_at_other_reference,
    sooner_than_static_nets,
    wider_losses,
    wider_losses_on_edges,
)


def case_of(study: Any, change: Any = lambda _, __, record: record) -> Case:
    study.publish(change)
    return Case(results=results_of(study.store, study.manifest), store=study.store)


def margins(measured: Margins | str) -> list[float]:
    assert isinstance(measured, Margins)
    return list(measured.by_seed.values())


def losses(arm: str, _: int, record: Record) -> Record:
    """Losses of 1 at c = 0 and 1.2 at c = 1, half as much again in another arm."""
    factor = 1.0 if arm == "baseline" else 1.5
    more = {f"loss/{t}/c={c}": Value(value=factor * (1 + 0.2 * c)) for t in record.tasks for c in (0, 1)}
    return replace(record, values={**record.values, **more})


def test_losses_rise_with_c_relatively(study: Any) -> None:
    assert margins(losses_rise_with_c(case_of(study, losses))) == pytest.approx([0.2] * 3)


@pytest.mark.parametrize("end", [RICH, FRUGAL])
def test_losses_of_another_arm_lie_above(study: Any, end: Any) -> None:
    assert margins(losses_above("no-affinity", end)(case_of(study, losses))) == pytest.approx([0.5] * 3)


def spread(arm: str, _: int, record: Record) -> Record:
    """A range of 1 in the baseline and of a half elsewhere, on the edge of the first two tasks."""
    width = 1.0 if arm == "baseline" else 0.5
    edge = [[0.2, 0.8, 0.0], [0.8, 0.2, 0.0], [0.4, 0.3, 0.3]]
    rows = [[1.0, 1.0 + width, 9.0], [1.0 + width, 1.0, 5.0], [1.2, 1.2, 1.0]]
    points = tuple(replace(point, preferences=edge, losses=rows) for point in record.points)
    return replace(record, points=points)


def test_ranges_on_an_edge_are_those_of_its_two_tasks(study: Any) -> None:
    case = case_of(study, spread)
    assert margins(wider_losses_on_edges("no-affinity")(case)) == pytest.approx([1.0] * 3)


def test_preferences_inside_the_simplex_show_no_edge(study: Any) -> None:
    assert margins(wider_losses_on_edges("no-affinity")(case_of(study))) == []


def test_what_was_evaluated_on_pairs_goes_before_evaluation_preferences(study: Any) -> None:
    def change(arm: str, seed: int, record: Record) -> Record:
        width = 3.0 if arm == "baseline" else 1.0
        rows = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 1.0, 0.0]]
        losses = [[1.0, 1.0 + width, 9.0], [1.0, 1.0, 5.0], [1.0 + width, 1.0, 0.0]]
        made = spread(arm, seed, record)
        points = (replace(point, pair_preferences=rows, pair_losses=losses) for point in made.points)
        return replace(made, points=tuple(points))

    assert margins(wider_losses_on_edges("no-affinity")(case_of(study, change))) == pytest.approx([2.0] * 3)


def test_ranges_over_all_preferences_are_means_over_tasks(study: Any) -> None:
    case = case_of(study, spread)
    expected = (1 + 1 + 8) / (0.5 + 0.5 + 8) - 1
    assert margins(wider_losses("no-affinity")(case)) == pytest.approx([expected] * 3)


def test_a_value_is_flat_over_arms_within_a_part_of_its_mean(study: Any) -> None:
    case = case_of(study)
    arms = ("no-inactive-loss", "no-affinity")
    found = flat_over(arms, "hypervolume", RICH, tolerance=0.02)(case)
    assert margins(found)[1] == pytest.approx(0.02 - (17.5 - 9) / np.mean([16, 17.5, 9]))
    assert isinstance(found, Margins)
    assert found.paper is None


def test_a_printed_sweep_has_a_margin_too(study: Any) -> None:
    study.arms["baseline"].paper = {"hypervolume/c=0": 4.2}
    study.arms["no-affinity"].paper = {"hypervolume/c=0": 4.26}
    found = flat_over(("no-affinity",), "hypervolume", RICH, tolerance=0.02)(case_of(study))
    assert isinstance(found, Margins)
    assert found.paper == pytest.approx(0.02 - 0.06 / 4.23)


def test_a_controller_is_sooner_than_the_nets_that_reach_it(grid_study: Any) -> None:
    grid_study.publish_training()
    found = margins(sooner_than_static_nets(case_of(grid_study)))
    # Net k takes 10 + k seconds, the controller's two stages 50 each; 16.0 of hypervolume needs some nets.
    assert len(found) == 3
    assert all(-1 < margin < 20 * 19.5 / 100 - 1 + 1e-9 for margin in found)


def test_without_a_grid_nothing_is_sooner(study: Any) -> None:
    assert margins(sooner_than_static_nets(case_of(study))) == []


def test_a_reference_point_that_is_not_in_doubt_is_not_replaced(study: Any) -> None:
    measure = sided_at_other_reference(rich("hypervolume"), rich("hypervolume", "no-affinity"))
    assert measure(case_of(study)) == "the printed reference point is not in doubt here"


def test_hypervolumes_at_the_other_reference_point_are_sided_as_printed(study: Any) -> None:
    study.tasks = ("segmentation", "parts", "saliency")
    study.arms["baseline"].paper = {"hypervolume/c=0": 4.26}
    study.arms["no-affinity"].paper = {"hypervolume/c=0": 4.31}

    def better(arm: str, _: int, record: Record) -> Record:
        shift = 0.2 if arm == "baseline" else 0.0
        points = tuple(replace(p, losses=(np.asarray(p.losses) - shift).tolist()) for p in record.points)
        return replace(record, points=points)

    measure = sided_at_other_reference(rich("hypervolume"), rich("hypervolume", "no-affinity"))
    assert all(margin < 0 for margin in margins(measure(case_of(study, better))))
