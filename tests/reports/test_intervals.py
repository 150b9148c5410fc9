"""Properties, and agreement with scipy."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dymu.errors import ReportError
from dymu.reports.intervals import LEAST_SEEDS, across_tasks, bca, generator, interquartile_mean

NUMBERS = st.floats(min_value=-100, max_value=100).map(lambda number: round(number, 3))
SAMPLES = st.lists(NUMBERS, min_size=LEAST_SEEDS, max_size=14)
FEW = settings(max_examples=30, deadline=None)


def sample(count: int, seed: int = 0) -> list[float]:
    return np.random.default_rng(seed).gamma(2.0, size=count).tolist()


@pytest.mark.parametrize("count", [8, 12, 25])
def test_bca_agrees_with_scipy_on_the_same_draws(count: int) -> None:
    values = sample(count, seed=count)
    found = bca(values, resamples=2000)
    expected = stats.bootstrap(
        (np.array(values),), np.mean, n_resamples=2000, method="BCa", rng=generator(values)
    ).confidence_interval
    assert found is not None
    assert (found.lower, found.upper) == pytest.approx((expected.low, expected.high), rel=1e-9)


@pytest.mark.parametrize("count", [0, 1, 3, 5, LEAST_SEEDS - 1])
def test_few_seeds_have_no_bootstrap_interval(count: int) -> None:
    assert bca(sample(count)) is None


def test_values_that_do_not_vary_have_no_bootstrap_interval() -> None:
    assert bca([2.0] * 10) is None


@given(SAMPLES)
@FEW
def test_the_same_values_give_the_same_interval_within_their_range(values: list[float]) -> None:
    found = bca(values, resamples=300)
    assert found == bca(values, resamples=300)
    if found is not None:
        assert min(values) <= found.lower <= found.upper <= max(values)
        assert found.n == len(values)
        assert f"(n = {len(values)})" in str(found)


def test_bca_is_skewed_like_the_values() -> None:
    values = sample(12)
    found, mean = bca(values), float(np.mean(values))
    assert found is not None
    assert found.upper - mean > mean - found.lower


def test_the_share_of_intervals_that_cover_is_what_the_module_says() -> None:
    rng = np.random.default_rng(0)
    found = [bca(list(rng.normal(size=LEAST_SEEDS)), resamples=400) for _ in range(600)]
    covers = [interval is not None and interval.lower <= 0 <= interval.upper for interval in found]
    assert np.mean(covers) == pytest.approx(0.90, abs=0.03)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ReportError, match="nan is among the values"):
        bca([1.0] * 9 + [math.nan])


@given(st.lists(NUMBERS, min_size=1, max_size=40))
@FEW
def test_the_interquartile_mean_is_scipys_trimmed_mean(values: list[float]) -> None:
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25), abs=1e-9)


@given(st.lists(NUMBERS, min_size=4, max_size=20), st.integers(0, 10**6))
@FEW
def test_one_task_gone_wrong_hardly_moves_it(values: list[float], seed: int) -> None:
    spoiled = list(values)
    spoiled[seed % len(values)] = -1e9
    assert interquartile_mean(spoiled) >= min(values) - 1e-9
    assert interquartile_mean(values) == pytest.approx(interquartile_mean(values[::-1]), abs=1e-9)


def test_the_interquartile_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ReportError, match="no values"):
        interquartile_mean([])


def test_an_average_over_tasks_has_an_interval_from_enough_seeds() -> None:
    scores = np.random.default_rng(1).normal(size=(10, 20))
    found = across_tasks(scores)
    assert (found.seeds, found.tasks) == (10, 20)
    assert found.interval is not None
    assert found.interval.lower <= found.value <= found.interval.upper
    assert across_tasks(scores[:3]).interval is None


def test_draws_of_whole_seeds_keep_what_the_tasks_of_a_seed_share() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(10, 1)) + 0.01 * rng.normal(size=(10, 20))
    joint, by_task = across_tasks(scores).interval, across_tasks(scores, runs="per_task").interval
    assert joint is not None
    assert by_task is not None
    assert joint.upper - joint.lower > 2 * (by_task.upper - by_task.lower)


def test_every_resample_has_each_task_equally_often() -> None:
    # Seeds agree, so whatever is drawn the four tasks remain and so does their average.
    scores = np.tile([1.0, 2.0, 5.0, 100.0], (9, 1))
    for runs in ("joint", "per_task"):
        found = across_tasks(scores, runs=runs).interval
        assert found is not None
        assert found.lower == found.upper == pytest.approx(3.5)


@pytest.mark.parametrize("shape", [(3,), (0, 2), (2, 2, 2)])
def test_scores_that_are_no_table_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ReportError, match="a row a seed"):
        across_tasks(np.zeros(shape))


def test_random_numbers_depend_on_the_values_alone() -> None:
    draws = [generator(values).random() for values in ([1.0, 2.0], [1.0, 2.0], [2.0, 1.0])]
    assert draws[0] == draws[1]
    assert all(a != b for a, b in itertools.pairwise(draws[1:]))


def test_values_that_differ_by_rounding_have_no_bootstrap_interval() -> None:
    assert bca([0.1 + 0.2, 0.3] * 5) is None


def test_the_bootstrap_does_not_mind_how_small_numbers_are() -> None:
    values = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0]
    found = bca([value * 1e-159 for value in values])
    assert found is not None
    assert values[0] * 1e-159 < found.lower < found.upper < values[-1] * 1e-159


@pytest.mark.parametrize("values", [[0.0] * 7 + [1.0], [0.0] * 19 + [1e9], [-5.0] * 7 + [-4.0]])
def test_an_interval_of_one_value_among_equals_is_within_the_values(values: list[float]) -> None:
    found = bca(values)
    assert found is not None
    assert min(values) <= found.lower <= found.upper <= max(values)
