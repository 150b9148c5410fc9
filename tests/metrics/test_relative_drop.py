"""The relative drop against the paper's own tables."""

import pytest

from dymu.errors import SpecError
from dymu.metrics.relative_drop import RELATIVE_DROP, relative_drop

PASCAL_3 = (64.11, 58.41, 65.17)


@pytest.mark.parametrize(
    ("metrics", "printed"),
    [
        ((61.84, 59.41, 64.18), -1.12),
        ((62.79, 58.41, 64.74), -0.93),
        ((63.60, 59.41, 64.94), 0.18),
        ((63.12, 58.93, 64.93), -0.34),
    ],
)
def test_it_gives_the_last_column_of_table_5(metrics: tuple[float, ...], printed: float) -> None:
    # The printed metrics are rounded, which moves the third digit.
    value = relative_drop(metrics, baselines_N=PASCAL_3, higher_is_better_N=(True,) * 3)
    assert value == pytest.approx(printed, abs=0.03)


def test_a_lower_error_is_an_improvement() -> None:
    assert RELATIVE_DROP.higher_is_better is True
    assert relative_drop([9.0], baselines_N=[10.0], higher_is_better_N=[False]) == pytest.approx(10.0)
    assert relative_drop([9.0], baselines_N=[10.0], higher_is_better_N=[True]) == pytest.approx(-10.0)


def test_the_baseline_itself_scores_zero() -> None:
    assert relative_drop(PASCAL_3, baselines_N=PASCAL_3, higher_is_better_N=(True, False, True)) == 0.0


def test_directions_apply_to_their_own_task() -> None:
    value = relative_drop([1.2, 0.9], baselines_N=[1.0, 1.0], higher_is_better_N=[True, False])
    assert value == pytest.approx((20 + 10) / 2)


def test_a_baseline_of_zero_is_refused() -> None:
    with pytest.raises(SpecError, match="relative to 0"):
        relative_drop([1.0], baselines_N=[0.0], higher_is_better_N=[True])


@pytest.mark.parametrize("baselines", [[], [1.0], [1.0, 2.0, 3.0]])
def test_lengths_must_agree(baselines: list[float]) -> None:
    with pytest.raises(SpecError, match="lengths"):
        relative_drop([1.0, 2.0], baselines_N=baselines, higher_is_better_N=[True, True])


def test_no_task_at_all_is_refused() -> None:
    with pytest.raises(SpecError, match="one each a task"):
        relative_drop([], baselines_N=[], higher_is_better_N=[])
