"""Properties, and agreement with scipy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from dymu.errors import ReportError
from dymu.reports.multiple import benjamini_hochberg

PS = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(PS)
def test_it_agrees_with_scipy(ps: list[float]) -> None:
    assert benjamini_hochberg(ps) == pytest.approx(tuple(false_discovery_control(ps)), abs=1e-12)


@given(PS)
def test_it_never_lowers_a_p_and_keeps_their_order(ps: list[float]) -> None:
    adjusted = benjamini_hochberg(ps)
    assert all(p <= a * (1 + 1e-12) <= 1 + 1e-12 for p, a in zip(ps, adjusted, strict=True))
    assert (np.diff(np.array(adjusted)[np.argsort(ps)]) >= 0).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.randoms())
def test_it_does_not_depend_on_the_order_of_the_tests(ps: list[float], random: object) -> None:
    order = list(range(len(ps)))
    random.shuffle(order)  # type: ignore[attr-defined]
    adjusted = benjamini_hochberg(ps)
    assert benjamini_hochberg([ps[i] for i in order]) == pytest.approx([adjusted[i] for i in order])


def test_equal_values_stay_and_one_test_needs_no_adjustment() -> None:
    assert benjamini_hochberg([0.25] * 6) == (0.25,) * 6
    assert benjamini_hochberg([0.03]) == (0.03,)
    assert benjamini_hochberg([]) == ()


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan])
def test_what_is_no_probability_is_refused(wrong: float) -> None:
    with pytest.raises(ReportError, match="expected numbers from 0 to 1"):
        benjamini_hochberg([0.5, wrong])
