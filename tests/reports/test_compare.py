import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dymu.errors import ReportError
from dymu.reports.compare import MAX_SEEDS, estimate, paired, sign_flip_p, smallest_p

NUMBERS = st.floats(min_value=-100, max_value=100).map(lambda number: round(number, 3))


def p_as_defined(differences: list[float]) -> float:
    """The share of sign patterns at least as extreme, one pattern at a time."""
    observed = abs(math.fsum(differences))
    patterns = list(itertools.product((-1, 1), repeat=len(differences)))
    sums = [abs(math.fsum(s * abs(d) for s, d in zip(p, differences, strict=True))) for p in patterns]
    return sum(total >= observed - 1e-9 * math.fsum(map(abs, differences)) for total in sums) / len(patterns)


@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_p_is_the_share_of_sign_patterns(differences: list[float]) -> None:
    assert sign_flip_p(differences) == pytest.approx(p_as_defined(differences))


@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_p_does_not_depend_on_direction_or_unit(differences: list[float]) -> None:
    assert sign_flip_p([-2 * d for d in differences]) == pytest.approx(sign_flip_p(differences))


@pytest.mark.parametrize(("n", "least"), [(1, 1.0), (2, 0.5), (3, 0.25), (5, 0.0625), (10, 2 / 1024)])
def test_seeds_that_agree_reach_the_smallest_p(n: int, least: float) -> None:
    assert sign_flip_p([1.0 + i for i in range(n)]) == smallest_p(n) == least


def test_no_difference_has_p_one() -> None:
    assert sign_flip_p([0.0, 0.0, 0.0]) == 1.0
    assert sign_flip_p([1.0, -1.0]) == 1.0


def test_thirty_seeds_are_still_exact() -> None:
    assert sign_flip_p([1.0] * 30) == 2.0**-29


def test_too_many_seeds_are_refused() -> None:
    with pytest.raises(ReportError, match=f"at most {MAX_SEEDS} seeds, got 41"):
        sign_flip_p([1.0] * 41)


def test_the_interval_of_three_seeds_is_the_t_interval() -> None:
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.half_width == pytest.approx(4.302653 * 1.0 / math.sqrt(3), rel=1e-6)
    assert found.lower == pytest.approx(-0.484138, rel=1e-5)
    assert found.upper == pytest.approx(4.484138, rel=1e-6)


def test_one_seed_has_no_interval() -> None:
    found = estimate([1.5])
    assert (found.half_width, found.lower, found.upper, found.n) == (None, None, None, 1)


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    found = [estimate(list(rng.normal(5.0, 2.0, size=3))) for _ in range(2000)]
    covers = [e.lower <= 5.0 <= e.upper for e in found if e.lower is not None and e.upper is not None]
    assert np.mean(covers) == pytest.approx(0.95, abs=0.02)


def test_only_seeds_that_both_have_are_compared() -> None:
    found = paired({0: 1.0, 1: 2.0, 3: 9.0}, {0: 0.5, 1: 1.0, 2: 4.0})
    assert found.seeds == (0, 1)
    assert found.differences == (0.5, 1.0)
    assert found.smallest_p == 0.5


def test_no_common_seed_compares_nothing() -> None:
    found = paired({0: 1.0}, {1: 1.0})
    assert (found.n, found.estimate, found.p, found.smallest_p) == (0, None, None, None)


def test_an_interval_that_is_nothing_but_rounding_is_none() -> None:
    assert estimate([1.0]).exact
    assert estimate([5.0, 5.0, 5.0]).exact
    assert estimate([5.0, 5.0 + 1e-12, 5.0]).exact
    assert not estimate([5.0, 5.01]).exact
    assert not estimate([-1e-12, 1e-12]).exact  # about zero everything is large
