"""Rank correlation and entropy: closed forms, ties, and where they are undefined."""

import math
import subprocess
import sys

import numpy as np
import pytest

from dymu.errors import SpecError
from dymu.metrics.correlation import (
    ENTROPY_COST_CORRELATION,
    PREFERENCE_LOSS_CORRELATION,
    entropy,
    spearman,
)


def test_any_rising_relation_is_one_and_any_falling_one_minus_one() -> None:
    x = np.random.default_rng(0).random(30)
    assert spearman(x, np.exp(5 * x)) == pytest.approx(1.0)
    assert spearman(x, -(x**3)) == pytest.approx(-1.0)


def test_it_is_the_correlation_of_ranks() -> None:
    # Squared rank differences sum to 4: 1 - 6 * 4 / (4 * 15).
    assert spearman([1.0, 2.0, 3.0, 4.0], [10.0, 40.0, 30.0, 20.0]) == pytest.approx(1 - 6 * 8 / 60)


def test_ties_share_their_mean_rank() -> None:
    ranks_a, ranks_b = [1.5, 1.5, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]
    expected = float(np.corrcoef(ranks_a, ranks_b)[0, 1])
    assert spearman([5.0, 5.0, 6.0, 7.0], [0.1, 0.2, 0.3, 0.4]) == pytest.approx(expected)


def test_two_values_are_enough() -> None:
    assert spearman([0.0, 1.0], [3.0, 2.0]) == pytest.approx(-1.0)


@pytest.mark.parametrize(("first", "second"), [([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]), ([1.0], [2.0]), ([], [])])
def test_it_is_undefined_where_nothing_varies(first: list[float], second: list[float]) -> None:
    assert spearman(first, second) is None
    assert spearman(second, first) is None


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(SpecError, match="shapes"):
        spearman([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(SpecError, match="finite"):
        spearman([1.0, 2.0], [1.0, math.nan])


def test_directions_are_those_of_the_claims() -> None:
    assert PREFERENCE_LOSS_CORRELATION.higher_is_better is False
    assert ENTROPY_COST_CORRELATION.higher_is_better is None


def test_entropy_is_zero_for_one_task_and_largest_for_equal_preferences() -> None:
    values = entropy([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [1 / 3] * 3, [0.98, 0.01, 0.01]])
    np.testing.assert_allclose(values[:3], [0.0, math.log(2), math.log(3)], atol=1e-15)
    assert 0 < values[3] < values[1]


def test_importing_it_does_not_import_scipy() -> None:
    code = "import sys, dymu.metrics.correlation; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
