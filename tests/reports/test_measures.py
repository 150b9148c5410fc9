from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dymu.artifacts.record import Point, Record, Value
from dymu.reports.checks import Case, Margins
from dymu.reports.collect import results_of
from dymu.reports.measures import (
    average_of_tasks,
    constant_cost,
    corners_cost_as_little,
    cost_follows_entropy,
    deeper_sharing,
    falls_with_c,
    losses_follow_preferences,
    own_stream,
)

Change = Callable[[str, int, Record], Record]
SHARED = [[0, 0, 0]] * 4
SPLIT = [[1, 1, 1], [0, 1, 2], [0, 1, 2], [0, 1, 2]]


def case_of(study: Any, change: Change = lambda _, __, record: record) -> Case:
    study.publish(change)
    return Case(results=results_of(study.store, study.manifest), store=study.store)


def margins(measured: Margins | str) -> list[float]:
    assert isinstance(measured, Margins)
    return list(measured.by_seed.values())


def with_values(**numbers: float) -> Change:
    more = {name.replace("__", "/").replace("_at_", "/c="): Value(value=x) for name, x in numbers.items()}
    return lambda _, __, record: replace(record, values={**record.values, **more})


def with_points(make: Callable[[Point], Point]) -> Change:
    return lambda _, __, record: replace(record, points=tuple(make(point) for point in record.points))


def test_the_lowest_correlation_of_cost_and_entropy_decides(study: Any) -> None:
    case = case_of(study, with_values(entropy_cost_correlation_at_0=0.9, entropy_cost_correlation_at_1=0.4))
    assert margins(cost_follows_entropy(0.5)(case)) == pytest.approx([-0.1] * 3)


def test_a_cost_that_never_varies_follows_nothing(study: Any) -> None:
    case = case_of(study, with_values(entropy_cost_correlation_at_0=0.9))
    assert margins(cost_follows_entropy(0.5)(case)) == [-0.5] * 3


def test_corners_are_compared_with_the_shared_net(study: Any, other_arm: Any) -> None:
    study.arms["phn-bn"] = other_arm("PHN-BN", resources=(None,))

    def change(arm: str, _: int, record: Record) -> Record:
        if arm == "phn-bn":
            return replace(record, values={"active_parameters": Value(value=100.0)})
        points = tuple(
            replace(point, cost_preferences=[[0.95, 0.05, 0.0], [0.4, 0.3, 0.3]], cost_parameters=[104, 900])
            for point in record.points
        )
        return replace(record, points=points)

    case = case_of(study, change)
    assert margins(corners_cost_as_little("phn-bn", tolerance=0.1)(case)) == pytest.approx([0.06] * 3)


def test_corners_that_were_not_sampled_decide_nothing(study: Any, other_arm: Any) -> None:
    study.arms["phn-bn"] = other_arm("PHN-BN", resources=(None,))
    dense = with_points(lambda p: replace(p, cost_preferences=[[0.4, 0.3, 0.3]], cost_parameters=[100.0]))
    case = case_of(study, dense)
    assert "no sampled preference" in str(corners_cost_as_little("phn-bn", tolerance=0.1)(case))


@pytest.mark.parametrize(("costs", "margin"), [([100.0, 100.0], 0.001), ([90.0, 110.0], 0.001 - 0.2)])
def test_a_cost_is_constant_if_it_has_no_range(study: Any, costs: list[float], margin: float) -> None:
    case = case_of(study, with_points(lambda point: replace(point, cost_parameters=costs)))
    assert margins(constant_cost("no-affinity")(case)) == pytest.approx([margin] * 3)


def test_every_task_has_to_follow_its_preference_at_every_c(study: Any) -> None:
    def straight(point: Point) -> Point:
        """Losses of mean 2 that fall by 1.6 from preference 0 to 1; parity's rises by .2 at c = 1."""
        preference_SN = np.asarray(point.preferences)
        slope_N = np.array([-1.6, -1.6, 0.2 if point.resource_preference else -1.6])
        return replace(point, losses=(2 + slope_N * (preference_SN - preference_SN.mean(axis=0))).tolist())

    case = case_of(study, with_points(straight))
    assert margins(losses_follow_preferences(min)(case)) == pytest.approx([-0.1] * 3)
    assert margins(losses_follow_preferences(average_of_tasks)(case)) == pytest.approx([0.5] * 3)


def test_a_value_has_to_fall_at_every_step_of_c(study: Any) -> None:
    study.arms["baseline"].resources = (0.0, 0.5, 1.0)
    steady = {"active_macs_at_0": 8.0, "active_macs_at_0.5": 5.0, "active_macs_at_1": 4.0}
    found = falls_with_c("active_macs")(case_of(study, with_values(**steady)))
    assert margins(found) == pytest.approx([0.25] * 3)


def test_a_value_that_rises_in_between_does_not_fall(study: Any) -> None:
    study.arms["baseline"].resources = (0.0, 0.5, 1.0)
    bent = {"active_macs_at_0": 8.0, "active_macs_at_0.5": 10.0, "active_macs_at_1": 4.0}
    assert margins(falls_with_c("active_macs")(case_of(study, with_values(**bent)))) == pytest.approx(
        [-0.2] * 3
    )


def test_the_fall_that_the_paper_prints_stands_beside(study: Any) -> None:
    found = falls_with_c("active_parameters")(case_of(study))
    assert isinstance(found, Margins)
    assert found.paper == pytest.approx(41.06 / 34.68 - 1)


def test_a_loss_that_never_varies_follows_nothing(study: Any) -> None:
    constant = with_points(lambda point: replace(point, losses=[[1.0, 2.0, 3.0]] * len(point.losses)))
    assert margins(losses_follow_preferences(min)(case_of(study, constant))) == pytest.approx([0.0] * 3)


def test_an_average_of_many_tasks_leaves_out_the_outer_quarters() -> None:
    assert average_of_tasks([1.0, 2.0, 6.0]) == 3.0
    assert average_of_tasks([-1000.0, 1.0, 2.0, 1000.0]) == 1.5


def test_sharing_deepens_with_c_at_even_preferences(study: Any) -> None:
    def grow(point: Point) -> Point:
        tree = SHARED if point.resource_preference else SPLIT
        even = set(np.asarray(point.preferences).max(axis=1).argsort()[:4].tolist())
        return replace(point, parents=[tree if row in even else SPLIT for row in range(20)])

    assert margins(deeper_sharing(case_of(study, with_points(grow)))) == [3.0] * 3


def test_trees_that_no_record_holds_have_no_depth(study: Any) -> None:
    case = case_of(study, with_points(lambda point: replace(point, parents=[])))
    assert margins(deeper_sharing(case)) == []


def test_skewed_preferences_should_run_their_own_stream(study: Any) -> None:
    preferences = [[0.9, 0.05, 0.05], [0.3, 0.3, 0.4]]
    point = with_points(lambda p: replace(p, preferences=preferences, parents=[SHARED, SPLIT]))
    assert margins(own_stream(case_of(study, point))) == [0.5] * 3


def test_without_skewed_preferences_no_stream_is_a_tasks_own(study: Any) -> None:
    point = with_points(lambda p: replace(p, preferences=[[0.3, 0.3, 0.4]], parents=[SHARED]))
    assert "no evaluated preference" in str(own_stream(case_of(study, point)))
