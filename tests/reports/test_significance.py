"""Differences from the baseline at the same seed and c, and their p, adjusted over the table."""

from collections.abc import Callable
from typing import Any

import pytest

from dymu.reports.collect import Results, results_of
from dymu.reports.compare import estimate, paired, sign_flip_p
from dymu.reports.effect import effect_size
from dymu.reports.intervals import LEAST_SEEDS, bca
from dymu.reports.multiple import benjamini_hochberg
from dymu.reports.significance import (
    MOST_PAIRS,
    Row,
    Significance,
    difference_cell,
    p_text,
    paired_up_to,
    spread_text,
)
from dymu.reports.table import Cell


def of(
    results: Results, values: dict[str, dict[int, float]], *, c: tuple[float | None, ...] = (0.0,)
) -> Significance:
    rows: list[Row] = [(arm, each) for arm in results.arms for each in c]
    return Significance(results, "HV", lambda arm, _: values[arm.name], rows)


def p_cell(tested: Significance, results: Results, arm: str) -> Cell:
    return tested.cells(results.arm(arm), [0.0])[1]


VALUES = {
    "baseline": {0: 1.0, 1: 2.0, 2: 3.0},
    "no-inactive-loss": {0: 2.0, 1: 4.0, 2: 6.0},
    "no-affinity": {0: 2.0, 1: 1.0, 2: 3.5},
}


def test_p_is_the_sign_flip_p_of_the_pairs_adjusted_over_all_rows(results: Results) -> None:
    tested = of(results, VALUES)
    expected = benjamini_hochberg([sign_flip_p([1.0, 2.0, 3.0]), sign_flip_p([1.0, -1.0, 0.5])])
    for name, p in zip(("no-inactive-loss", "no-affinity"), expected, strict=True):
        found = p_cell(tested, results, name).estimate
        assert found is not None
        assert (found.mean, found.n) == (p, 3)


def test_more_rows_make_p_larger(results: Results) -> None:
    alone = {**VALUES, "no-affinity": {}}
    few = p_cell(of(results, alone), results, "no-inactive-loss").estimate
    many = p_cell(of(results, VALUES), results, "no-inactive-loss").estimate
    assert few is not None
    assert many is not None
    assert few.mean == 0.25
    assert many.mean == 0.5


def test_the_baseline_is_not_compared_with_itself(results: Results) -> None:
    cells = of(results, VALUES).cells(results.arm("baseline"), [0.0])
    assert [cell.text for cell in cells] == ["–", "–"]


def test_a_difference_has_its_interval_effect_and_both_records(results: Results) -> None:
    cell, p = of(results, VALUES).cells(results.arm("no-inactive-loss"), [0.0])
    expected = estimate([1.0, 2.0, 3.0])
    assert cell.estimate == expected
    assert (cell.text, cell.spread) == ("+2", f"{expected.half_width:.2g}")
    assert cell.detail == f"g {effect_size([1.0, 2.0, 3.0]):+.2f}"
    assert cell.addresses == p.addresses
    assert [address.rpartition("/")[2] for address in cell.addresses] == [
        f"digits-ours-{arm}-{seed}" for arm in ("no-inactive-loss", "baseline") for seed in (0, 1, 2)
    ]


def test_a_bootstrap_interval_is_shown_from_enough_seeds_on_and_with_its_n() -> None:
    many = {seed: 1.0 + seed**2 for seed in range(LEAST_SEEDS)}
    zero = dict.fromkeys(many, 0.0)
    interval = bca(list(many.values()))
    detail = difference_cell(paired(many, zero)).detail
    assert detail.endswith(f"BCa {interval}")
    assert "(n = 8)" in detail
    del many[0]
    assert "BCa" not in difference_cell(paired(many, zero)).detail


def test_differences_that_vary_by_rounding_alone_have_no_interval() -> None:
    noisy = difference_cell(paired({0: 9.0, 1: 9.3}, {0: 2.0, 1: 2.3 + 1e-14}))
    assert noisy.estimate is not None
    assert noisy.estimate.half_width != 0
    assert (noisy.text, noisy.spread) == ("+7", "")


def test_columns_are_differences_then_p(results: Results) -> None:
    names = [column.name for column in of(results, VALUES, c=(0.0, 1.0)).columns([0.0, 1.0])]
    assert names == ["Diff. c = 0", "Diff. c = 1", "p c = 0", "p c = 1"]


def test_only_seeds_that_both_have_are_pairs(results: Results) -> None:
    found = p_cell(of(results, {**VALUES, "no-affinity": {1: 3.0, 2: 4.0, 9: 0.0}}), results, "no-affinity")
    assert found.estimate is not None
    assert found.estimate.n == 2


def test_one_seed_tests_nothing(results: Results) -> None:
    tested = of(results, {name: {0: 1.0} for name in VALUES})
    assert not tested
    assert (list(tested.notes()), tested.columns(), tested.cells(results.arm("baseline"), [0.0])) == (
        [],
        [],
        [],
    )


def test_without_a_baseline_there_is_no_p(study: Any) -> None:
    study.arms["ours"] = study.arms.pop("baseline")
    study.publish()
    found = results_of(study.store, study.manifest)
    assert not of(found, {**VALUES, "ours": VALUES["baseline"]})


def test_a_method_without_c_is_compared_with_the_smallest_c(
    study: Any, other_arm: Callable[..., Any]
) -> None:
    study.arms = {"baseline": other_arm("Ours"), "phn": other_arm("PHN", resources=(None,))}
    study.publish()
    found = results_of(study.store, study.manifest)
    asked: list[tuple[str, float | None]] = []

    def values(arm: Any, c: float | None) -> dict[int, float]:
        asked.append((arm.name, c))
        return {0: 1.0}

    Significance(found, "HV", values, [(found.arm("phn"), None)])
    assert asked == [("phn", None), ("baseline", 0.0)]


def test_the_note_says_what_was_done_and_how_small_p_can_be(results: Results) -> None:
    difference, note, _ = of(results, {**VALUES, "no-affinity": {0: 2.0, 1: 1.0}}).notes()
    assert difference.startswith("Diff.: HV less that of Ours at the same seed and c")
    assert "the 2 tests of this table; unadjusted, 2 to 3 seeds give no less than 0.5 and 0.25." in note


@pytest.mark.parametrize(("seeds", "told"), [((0, 1), False), ((0, 1, 2), True)])
def test_the_effect_size_is_explained_where_it_stands(
    results: Results, seeds: tuple[int, ...], told: bool
) -> None:
    tested = of(results, {name: {seed: own[seed] for seed in seeds} for name, own in VALUES.items()})
    assert ("g: the same in standard deviations" in next(iter(tested.notes()))) is told
    shown = any(" g " in f" {cell.detail}" for arm in results.arms for cell in tested.cells(arm, [0.0]))
    assert shown is told


def test_more_seeds_than_can_be_enumerated_are_cut() -> None:
    many = {seed: float(seed + 1) for seed in range(100)}
    found = paired_up_to(MOST_PAIRS, many, dict.fromkeys(many, 0.0))
    assert found.seeds == tuple(range(MOST_PAIRS))
    assert found.p == 2.0 ** (1 - MOST_PAIRS)


@pytest.mark.parametrize(("p", "text"), [(0.25, "0.250"), (1.0, "1.000"), (0.0004, "<0.001")])
def test_p_has_three_digits(p: float, text: str) -> None:
    assert p_text(p) == text


def test_a_wide_interval_has_no_power_of_ten() -> None:
    assert spread_text(estimate([0.0, 100_000.0])) == "635.3k"
    assert spread_text(estimate([0.0, 100.0])) == "635"
    assert spread_text(estimate([1.0, 2.0])) == "6.4"


def test_seeds_that_only_one_side_has_are_left_out_and_it_is_said(results: Results) -> None:
    values = {
        "baseline": {0: 1.0, 1: 2.0},
        "no-inactive-loss": {1: 4.0, 0: 3.0, 2: 6.0},
        "no-affinity": {2: 2.0},
    }
    tested = of(results, values)
    cell = tested.cells(results.arm("no-inactive-loss"), [0.0])[0]
    assert cell.estimate == estimate([2.0, 2.0])
    assert len(cell.addresses) == 4
    assert tested.cells(results.arm("no-affinity"), [0.0])[0].text == "–"
    assert list(tested.notes())[-1] == (
        "Diff. and p pair the seeds that a row and Ours have in common, the first 30 at most, and need two. "
        "Paired at some seeds only: no L_inactive (0, 1), no task affinity (none)."
    )


def test_nothing_is_said_of_seeds_that_all_rows_have(results: Results) -> None:
    assert len(list(of(results, VALUES).notes())) == 2
