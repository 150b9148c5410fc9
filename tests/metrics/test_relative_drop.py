"""The relative drop against the paper's own tables."""

import pytest

from dymu.errors import SpecError
from dymu.metrics.relative_drop import RELATIVE_DROP, relative_drop

PASCAL_3 = (64.11, 58.41, 65.17)
PASCAL_5 = (63.88, 58.08, 64.92, 13.95)  # and an edge loss


@pytest.mark.parametrize(
    ("metrics", "printed"),
    [
        ((61.84, 59.41, 64.18), -1.12),
        ((62.79, 58.41, 64.74), -0.93),
        ((63.60, 59.41, 64.94), 0.18),
        ((62.34, 58.60, 65.17), -0.81),
        ((63.12, 58.93, 64.93), -0.34),
        ((61.91, 58.71, 65.01), -1.05),
    ],
)
def test_it_gives_the_last_column_of_table_5(metrics: tuple[float, ...], printed: float) -> None:
    # The printed metrics are rounded, which moves the third digit.
    value = relative_drop(metrics, baselines_N=PASCAL_3, higher_is_better_N=(True,) * 3)
    assert value == pytest.approx(printed, abs=0.03)


def drops_of_table_7(metrics: tuple[float, ...]) -> list[float]:
    """Least and largest drop of a row of Table 7, whose edge losses are all printed as .018."""
    directions = (True, True, True, False, False)
    return sorted(
        relative_drop((*metrics, edge), baselines_N=(*PASCAL_5, single), higher_is_better_N=directions)
        for edge, single in ((0.0175, 0.0185), (0.0185, 0.0175))
    )


@pytest.mark.parametrize(
    ("metrics", "printed"),
    [
        ((63.27, 59.32, 64.52, 13.87), 0.37),
        ((61.64, 56.95, 64.55, 13.72), -1.45),
        ((60.03, 56.91, 64.59, 13.95), -2.84),
        ((61.15, 56.85, 64.67, 13.74), -1.76),
    ],
)
def test_it_gives_what_table_7_prints_as_far_as_its_edge_losses_are_known(
    metrics: tuple[float, ...], printed: float
) -> None:
    least, largest = drops_of_table_7(metrics)
    assert least - 0.03 <= printed <= largest + 0.03


@pytest.mark.parametrize(
    ("metrics", "printed"), [((59.45, 56.48, 65.29, 14.19), -3.61), ((59.74, 56.66, 64.62, 13.98), -3.20)]
)
def test_two_rows_of_table_7_do_not_follow_from_what_it_prints(
    metrics: tuple[float, ...], printed: float
) -> None:
    # LTB and the last row: no two edge losses that are printed as .018 are far enough apart.
    least, _ = drops_of_table_7(metrics)
    assert printed < least - 0.1


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


def test_a_metric_below_zero_that_falls_is_better_where_lower_is() -> None:
    assert relative_drop((-1.8,), baselines_N=(-1.2,), higher_is_better_N=(False,)) == pytest.approx(50)
    assert relative_drop((-1.8,), baselines_N=(-1.2,), higher_is_better_N=(True,)) == pytest.approx(-50)
