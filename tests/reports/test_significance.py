"""The p column: paired with the baseline at the same c, adjusted over the table."""

from collections.abc import Callable
from typing import Any

import pytest

from dymu.reports.collect import Results, results_of
from dymu.reports.compare import sign_flip_p
from dymu.reports.multiple import benjamini_hochberg
from dymu.reports.significance import MOST_PAIRS, Row, Significance, p_text, paired_up_to


def of(
    results: Results, values: dict[str, dict[int, float]], *, c: tuple[float | None, ...] = (0.0,)
) -> Significance:
    rows: list[Row] = [(arm, each) for arm in results.arms for each in c]
    return Significance(results, "HV", lambda arm, _: values[arm.name], rows)


VALUES = {
    "baseline": {0: 1.0, 1: 2.0, 2: 3.0},
    "no-inactive-loss": {0: 2.0, 1: 4.0, 2: 6.0},
    "no-affinity": {0: 2.0, 1: 1.0, 2: 3.5},
}


def test_p_is_the_sign_flip_p_of_the_pairs_adjusted_over_all_rows(results: Results) -> None:
    tested = of(results, VALUES)
    expected = benjamini_hochberg([sign_flip_p([1.0, 2.0, 3.0]), sign_flip_p([1.0, -1.0, 0.5])])
    for name, p in zip(("no-inactive-loss", "no-affinity"), expected, strict=True):
        found = tested.cell(results.arm(name), 0.0).estimate
        assert found is not None
        assert (found.mean, found.n) == (p, 3)


def test_more_rows_make_p_larger(results: Results) -> None:
    alone = {**VALUES, "no-affinity": {}}
    few = of(results, alone).cell(results.arm("no-inactive-loss"), 0.0).estimate
    many = of(results, VALUES).cell(results.arm("no-inactive-loss"), 0.0).estimate
    assert few is not None
    assert many is not None
    assert few.mean == 0.25
    assert many.mean == 0.5


def test_the_baseline_is_not_compared_with_itself(results: Results) -> None:
    assert of(results, VALUES).cell(results.arm("baseline"), 0.0).text == "–"


def test_only_seeds_that_both_have_are_pairs(results: Results) -> None:
    found = of(results, {**VALUES, "no-affinity": {1: 3.0, 2: 4.0, 9: 0.0}}).cell(
        results.arm("no-affinity"), 0.0
    )
    assert found.estimate is not None
    assert found.estimate.n == 2


def test_one_seed_tests_nothing(results: Results) -> None:
    tested = of(results, {name: {0: 1.0} for name in VALUES})
    assert not tested
    assert list(tested.notes()) == []


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
    (note,) = of(results, {**VALUES, "no-affinity": {0: 2.0, 1: 1.0}}).notes()
    assert "HV against Ours at the same c" in note
    assert "the 2 tests of this table; unadjusted, 2 to 3 seeds give no less than 0.5 and 0.25." in note


def test_more_seeds_than_can_be_enumerated_are_cut() -> None:
    many = {seed: float(seed + 1) for seed in range(100)}
    found = paired_up_to(MOST_PAIRS, many, dict.fromkeys(many, 0.0))
    assert found.seeds == tuple(range(MOST_PAIRS))
    assert found.p == 2.0 ** (1 - MOST_PAIRS)


@pytest.mark.parametrize(("p", "text"), [(0.25, "0.250"), (1.0, "1.000"), (0.0004, "<0.001")])
def test_p_has_three_digits(p: float, text: str) -> None:
    assert p_text(p) == text
