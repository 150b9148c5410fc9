"""Evaluation preferences: the same for all who are judged by one protocol."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from dymu.artifacts.config import changed
from dymu.spec.evaluation import EvaluationConfig
from dymu.stages.evaluation_preferences import cost_preferences, evaluation_preferences, pair_preferences

PROTOCOL = EvaluationConfig(reference_point=(1.0, 1.0, 1.0))
Draw = Callable[..., NDArray[np.float64]]


@pytest.fixture(params=[evaluation_preferences, cost_preferences])
def draw(request: pytest.FixtureRequest) -> Draw:
    function: Draw = request.param
    return function


@pytest.mark.parametrize("num_tasks", [2, 3, 20])
def test_rows_lie_on_the_simplex(draw: Draw, num_tasks: int) -> None:
    rows = draw(PROTOCOL, num_tasks=num_tasks)
    assert rows.shape[1] == num_tasks
    assert (rows >= 0).all()
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)


def test_there_are_as_many_as_the_protocol_says() -> None:
    assert len(evaluation_preferences(PROTOCOL, num_tasks=3)) == 20
    assert len(cost_preferences(PROTOCOL, num_tasks=3)) == 1000


def test_they_are_uniform_on_the_simplex(draw: Draw) -> None:
    many = changed(PROTOCOL, {"num_preferences": 4000, "num_cost_preferences": 4000})
    rows = draw(many, num_tasks=3)
    np.testing.assert_allclose(rows.mean(axis=0), 1 / 3, atol=0.02)
    np.testing.assert_allclose(rows.var(axis=0), 1 / 18, rtol=0.1)


def test_the_protocols_seed_decides(draw: Draw) -> None:
    other = changed(PROTOCOL, {"preference_seed": 21})
    np.testing.assert_array_equal(draw(PROTOCOL, num_tasks=3), draw(PROTOCOL, num_tasks=3))
    assert not np.array_equal(draw(PROTOCOL, num_tasks=3), draw(other, num_tasks=3))


def test_nothing_else_of_the_protocol_decides(draw: Draw) -> None:
    other = changed(PROTOCOL, {"batch_size": 7, "statistics": "running", "resource_preferences": (0.5,)})
    np.testing.assert_array_equal(draw(PROTOCOL, num_tasks=3), draw(other, num_tasks=3))


def test_cost_is_averaged_over_other_preferences_than_losses() -> None:
    rows = evaluation_preferences(PROTOCOL, num_tasks=3)
    assert not np.isclose(cost_preferences(PROTOCOL, num_tasks=3)[: len(rows)], rows).all(axis=1).any()


def test_numbers_are_short_enough_to_be_part_of_an_address(draw: Draw) -> None:
    rows = draw(PROTOCOL, num_tasks=3)
    np.testing.assert_array_equal(rows, rows.round(6))


def of_pairs(count: int, tasks: str, pairs: tuple[tuple[str, str], ...] = ()) -> list[list[float]]:
    protocol = changed(PROTOCOL, {"pair_preferences": count, "pairs": pairs})
    rows: list[list[float]] = pair_preferences(protocol, tasks=tuple(tasks)).tolist()
    return rows


def test_two_tasks_share_the_preference_evenly_spaced_and_others_have_none() -> None:
    assert of_pairs(5, "abc", (("a", "c"),)) == [
        [1.0, 0.0, 0.0],
        [0.75, 0.0, 0.25],
        [0.5, 0.0, 0.5],
        [0.25, 0.0, 0.75],
        [0.0, 0.0, 1.0],
    ]


def test_a_task_alone_is_evaluated_once_for_all_its_pairs() -> None:
    rows = of_pairs(4, "abcd")
    assert len(rows) == 6 * 2 + 4
    assert len({tuple(row) for row in rows}) == len(rows)
    assert all([float(number == task) for number in range(4)] in rows for task in range(4))


def test_without_the_field_no_pair_is_evaluated() -> None:
    assert pair_preferences(PROTOCOL, tasks=("a", "b", "c")).shape == (0, 3)


@pytest.mark.parametrize(("num_tasks", "expected"), [(2, 1), (5, 10), (6, 3), (7, 3), (20, 10)])
def test_of_many_tasks_each_is_in_one_pair_unless_pairs_are_named(num_tasks: int, expected: int) -> None:
    middle = [row for row in of_pairs(3, "abcdefghijklmnopqrst"[:num_tasks]) if 0.5 in row]
    assert len(middle) == expected


def test_named_pairs_are_the_only_ones() -> None:
    rows = of_pairs(3, "abcdefgh", (("h", "a"), ("b", "c")))
    assert [row.index(1.0) for row in rows if 1.0 in row] == [7, 0, 1, 2]
    assert len(rows) == 6


@pytest.mark.parametrize("count", [3, 7, 11])
def test_preferences_of_pairs_lie_on_the_simplex_and_are_short(count: int) -> None:
    rows = np.array(of_pairs(count, "abc"))
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_array_equal(rows, rows.round(6))
