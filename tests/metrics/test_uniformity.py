"""Closed forms and invariances of uniformity."""

import math

import numpy as np
import pytest

from dymu.errors import SpecError, TrainingError
from dymu.metrics.uniformity import (
    UNIFORMITY,
    floor_at,
    uniformity,
    uniformity_floor,
    uniformity_info,
)


def uniformity_as_printed(losses: list[float], preference: list[float]) -> float:
    """1 - KL(shares || 1/N), natural logarithm, term by term."""
    total = sum(r * loss for r, loss in zip(preference, losses, strict=True))
    divergence = 0.0
    for r, loss in zip(preference, losses, strict=True):
        share = r * loss / total
        if share > 0:
            divergence += share * math.log(share / (1 / len(losses)))
    return 1 - divergence


@pytest.mark.parametrize("num_tasks", [2, 3, 5, 20])
def test_it_is_one_minus_the_divergence_of_the_shares(num_tasks: int) -> None:
    rng = np.random.default_rng(num_tasks)
    losses, preferences = rng.random((30, num_tasks)), rng.dirichlet(np.full(num_tasks, 0.2), 30)
    expected = [
        uniformity_as_printed(loss, preference)
        for loss, preference in zip(losses.tolist(), preferences.tolist(), strict=True)
    ]
    np.testing.assert_allclose(uniformity(losses, preferences), expected, rtol=1e-12)


def test_losses_inverse_to_preferences_are_perfectly_uniform() -> None:
    preferences = np.array([[0.7, 0.2, 0.1], [0.01, 0.9, 0.09]])
    np.testing.assert_allclose(uniformity(1 / preferences, preferences), 1.0, rtol=1e-14)


def test_losses_that_rise_with_preferences_score_worse_than_equal_ones() -> None:
    preferences = np.array([[0.7, 0.2, 0.1]])
    follows, ignores, defies = (uniformity(preferences**power, preferences)[0] for power in (-0.5, 0, 0.5))
    assert UNIFORMITY.higher_is_better is True
    assert follows > ignores > defies


@pytest.mark.parametrize("num_tasks", [2, 3, 20])
def test_one_task_only_is_the_lower_end(num_tasks: int) -> None:
    one_hot = np.eye(num_tasks)
    values = uniformity(np.random.default_rng(0).random((num_tasks, num_tasks)) + 0.1, one_hot)
    np.testing.assert_allclose(values, 1 - math.log(num_tasks), rtol=1e-12)
    assert uniformity_info(num_tasks).lower == pytest.approx(values[0])
    assert uniformity_info(num_tasks).upper == 1.0


def test_scale_of_losses_and_preferences_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    losses, preferences = rng.random((5, 4)), rng.dirichlet(np.ones(4), 5)
    np.testing.assert_allclose(
        uniformity(7 * losses, 3 * preferences), uniformity(losses, preferences), rtol=1e-12
    )


def test_relabelling_tasks_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    losses, preferences, order = rng.random((5, 4)), rng.dirichlet(np.ones(4), 5), [2, 0, 3, 1]
    np.testing.assert_allclose(
        uniformity(losses[:, order], preferences[:, order]), uniformity(losses, preferences), rtol=1e-12
    )


def test_float32_input_is_computed_in_float64() -> None:
    losses = np.ones((2, 3), dtype=np.float32)
    assert uniformity(losses, losses / 3).dtype == np.float64


@pytest.mark.parametrize(("num_tasks", "expected"), [(2, 0.807), (3, 0.735), (5, 0.674), (20, 0.602)])
def test_the_floor_has_the_published_values(num_tasks: int, expected: float) -> None:
    assert uniformity_floor(num_tasks) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("num_tasks", [2, 3, 20])
def test_the_floor_is_the_mean_over_the_simplex(num_tasks: int) -> None:
    preferences = np.random.default_rng(3).dirichlet(np.ones(num_tasks), 40_000)
    assert floor_at(preferences) == pytest.approx(uniformity_floor(num_tasks), abs=4e-3)


def test_the_floor_at_given_preferences_is_what_equal_losses_score() -> None:
    preferences = np.random.default_rng(4).dirichlet(np.ones(3), 20)
    blind = uniformity(np.full((20, 3), 0.4), preferences).mean()
    assert floor_at(preferences) == pytest.approx(blind, rel=1e-12)
    assert floor_at(np.full((1, 3), 1 / 3)) == pytest.approx(1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1])
def test_losses_that_are_not_finite_and_positive_are_refused(bad: float) -> None:
    with pytest.raises(TrainingError, match="loss 1 at preference 0"):
        uniformity([[1.0, bad]], [[0.5, 0.5]])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1])
def test_preferences_off_the_simplex_are_refused(bad: float) -> None:
    with pytest.raises(SpecError, match="preference"):
        uniformity([[1.0, 1.0]], [[0.5, bad]])


def test_shapes_must_agree() -> None:
    with pytest.raises(SpecError, match=r"\(1, 2\).*\(1, 3\)"):
        uniformity([[1.0, 1.0]], [[0.5, 0.3, 0.2]])


def test_zero_losses_of_all_preferred_tasks_are_refused() -> None:
    with pytest.raises(TrainingError, match="preference 1 have loss 0"):
        uniformity([[1.0, 1.0], [0.0, 1.0]], [[0.5, 0.5], [1.0, 0.0]])
    assert uniformity([[0.0, 1.0]], [[0.5, 0.5]])[0] == pytest.approx(1 - math.log(2))
