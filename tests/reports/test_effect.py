import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nct

from dymu.reports.effect import correction, effect_size

SPREAD_OUT = st.lists(st.integers(-100, 100), min_size=3, max_size=12).filter(lambda xs: len(set(xs)) > 1)


@given(SPREAD_OUT, st.floats(0.01, 100))
def test_it_has_no_unit_and_follows_the_sign(differences: list[int], unit: float) -> None:
    found = effect_size(differences)
    assert found is not None
    scaled, turned = effect_size([unit * d for d in differences]), effect_size([-d for d in differences])
    assert scaled == pytest.approx(found, abs=1e-9)
    assert turned == pytest.approx(-found, abs=1e-12)


@pytest.mark.parametrize("differences", [[], [1.0], [1.0, 2.0], [0.0] * 5, [0.1] * 7])
def test_it_is_undefined_without_three_pairs_that_vary(differences: list[float]) -> None:
    assert effect_size(differences) is None


@pytest.mark.parametrize("pairs", [3, 5, 12])
def test_the_correction_makes_its_expectation_right(pairs: int) -> None:
    # sqrt(n) d_z of normal differences with mean 0.8 and deviation 1 has a noncentral t distribution.
    expected = float(nct(df=pairs - 1, nc=0.8 * np.sqrt(pairs)).mean()) / np.sqrt(pairs)
    assert correction(pairs - 1) * expected == pytest.approx(0.8, rel=1e-6)


def test_the_corrections_of_few_pairs_are_as_large_as_the_module_says() -> None:
    assert 1 / correction(2) == pytest.approx(1.77, abs=0.005)
    assert 1 / correction(4) == pytest.approx(1.25, abs=0.005)
    assert correction(200) == pytest.approx(1.0, abs=0.005)
