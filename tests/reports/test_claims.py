from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dymu.artifacts.fingerprint import canonical
from dymu.artifacts.record import Record, Value
from dymu.errors import ReportError
from dymu.reports.claims import Verdict, adjusted_p, check_claims, claims_table, decide, effect_text, in_words
from dymu.reports.collect import results_of
from dymu.reports.compare import paired
from dymu.reports.significance import MOST_PAIRS
from dymu.spec.ablation import Claim
from dymu.spec.evaluation import EvaluationConfig

SEVERAL = st.lists(st.floats(0.01, 10), min_size=3, max_size=6)


def verdict(study: Any, claim: Claim, arm: str = "no-affinity") -> Verdict:
    study.arms[arm].claims = (claim,)
    study.publish()
    (found,) = check_claims(results_of(study.store, study.manifest))
    return found


@given(SEVERAL)
def test_agreement_of_all_seeds_decides(sizes: list[float]) -> None:
    up, down = Claim(metric="m", direction="up"), Claim(metric="m", direction="down")
    assert decide(up, sizes, sizes) == "reproduced"
    assert decide(down, sizes, sizes) == "not reproduced"


@given(SEVERAL)
def test_one_seed_that_disagrees_or_does_not_move_leaves_it_undecided(sizes: list[float]) -> None:
    up = Claim(metric="m", direction="up")
    assert decide(up, [*sizes, -0.01], None) == "undecided"
    assert decide(up, [*sizes, 0.0], None) == "undecided"


@pytest.mark.parametrize("direction", ["up", "down", "flat"])
@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_seeds_decide_nothing(direction: Any, n: int) -> None:
    assert decide(Claim(metric="m", direction=direction), [1.0] * n, [1.0] * n) == "undecided"


def test_flat_is_about_relative_differences_and_the_tolerance() -> None:
    flat = Claim(metric="m", direction="flat", tolerance=0.1)
    assert decide(flat, [9.0, -9.0, 9.0], [0.09, -0.09, 0.09]) == "reproduced"
    assert decide(flat, [0.2, -0.2, 0.2], [0.2, -0.2, 0.2]) == "not reproduced"
    assert decide(flat, [0.2, 0.0, 0.2], [0.2, 0.0, 0.2]) == "undecided"
    assert decide(flat, [0.09, 0.09, 0.09], None) == "reproduced"


def test_an_arm_is_compared_with_the_baseline_at_the_same_seed(study: Any) -> None:
    found = verdict(study, Claim(metric="hypervolume/c=0", direction="down"))
    assert found.decision == "reproduced"
    assert found.comparison.differences == pytest.approx((-7, -7, -7))
    assert found.comparison.p == found.comparison.smallest_p == 0.25


def test_the_opposite_in_every_seed_is_not_reproduced(study: Any) -> None:
    found = verdict(study, Claim(metric="active_parameters/c=0", direction="up"))
    assert found.decision == "not reproduced"


def test_a_metric_is_compared_with_another_of_the_same_arm(study: Any) -> None:
    claim = Claim(metric="active_parameters/c=1", direction="down", against="active_parameters/c=0")
    found = verdict(study, claim, "no-inactive-loss")
    assert found.decision == "reproduced"
    assert found.relative is not None
    assert all(-0.5 < part < -0.2 for part in found.relative)


def test_a_metric_is_compared_with_zero(study: Any) -> None:
    claim = Claim(metric="preference_loss_correlation/left/c=0", direction="down", against="zero")
    found = verdict(study, claim, "baseline")
    assert found.decision == "reproduced"
    assert found.relative is None


def test_flat_against_a_value_of_zero_is_not_flat(study: Any, other_arm: Callable[..., Any]) -> None:
    study.arms["zero"] = other_arm("zero", volume=2.0)
    claim = Claim(metric="hypervolume/c=0", direction="flat", against="hypervolume/c=1", tolerance=0.5)
    study.seeds = (1, 4, 5)
    assert verdict(study, claim, "zero").decision == "not reproduced"


def test_missing_seeds_leave_fewer_pairs(study: Any) -> None:
    study.without = (("no-affinity", 2),)
    found = verdict(study, Claim(metric="hypervolume/c=0", direction="down"))
    assert (found.decision, found.comparison.n) == ("undecided", 2)


def test_a_value_that_no_record_holds_is_undecided_and_named(study: Any) -> None:
    found = verdict(study, Claim(metric="hypervolum/c=0", direction="down"))
    assert (found.decision, found.comparison.n) == ("undecided", 0)
    table = claims_table([found])
    assert table.rows[0][3].text == "missing"
    assert any("no record holds hypervolum/c=0" in note for note in table.footnotes)


def test_something_else_in_the_place_of_a_claim_is_refused(study: Any) -> None:
    study.publish()
    results = results_of(study.store, study.manifest)
    arm = results.arms[0]
    wrong = canonical(EvaluationConfig(reference_point=(1.0, 1.0)))
    object.__setattr__(arm, "claims", (wrong,))
    with pytest.raises(ReportError, match=r"lists .* as a claim"):
        check_claims(results)


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (Claim(metric="active_macs", direction="up"), "active macs goes up"),
        (Claim(metric="x/c=1", direction="down", against="x/c=0"), "x at c = 1 is below x at c = 0"),
        (
            Claim(metric="loss/left/c=0.5", direction="up", against="zero"),
            "loss of left at c = 0.5 is above 0",
        ),
        (Claim(metric="a", direction="flat", tolerance=0.1), "a stays within 10 % of the baseline's"),
        (Claim(metric="a", direction="flat", against="b", tolerance=0.03), "a stays within 3 % of b"),
    ],
)
def test_claims_read_as_sentences(claim: Claim, words: str) -> None:
    assert in_words(claim) == words


def test_the_table_counts_verdicts_and_says_what_p_cannot_be(study: Any) -> None:
    study.arms["no-affinity"].claims = (
        Claim(metric="hypervolume/c=0", direction="down", source="Table 6"),
        Claim(metric="active_parameters/c=0", direction="up"),
    )
    study.publish()
    table = claims_table(check_claims(results_of(study.store, study.manifest)))
    assert [row[-1].text for row in table.rows] == ["reproduced", "not reproduced"]
    assert table.rows[0][2].text == "Table 6"
    assert table.rows[0][3].detail == "-43.8 %"
    assert [row[5].text for row in table.rows] == [row[6].text for row in table.rows] == ["0.25", "0.25"]
    assert "2 claims: 1 reproduced, 1 not reproduced, 0 undecided." in table.footnotes
    assert any("with 3 seeds it cannot be below 0.25" in note for note in table.footnotes)
    assert "p adj.: p after Benjamini and Hochberg over the 2 tests of this table." in table.footnotes


def test_an_undecided_claim_says_what_would_decide_it(study: Any) -> None:
    study.arms["no-affinity"].claims = (Claim(metric="hypervolume/c=0", direction="down"),)
    study.seeds = (0,)
    study.publish()
    found = claims_table(
        check_claims(results_of(study.store, study.manifest)), target="ablations.x --study studies.y:z"
    )
    assert (
        "Too few seeds for 1 of them: `dymu run ablations.x --study studies.y:z --seeds 3` makes more."
        in (found.footnotes)
    )
    study.seeds = (0, 1, 2)
    by_seed = {0: 1.0, 1: -1.0, 2: 2.0}

    def split(arm: str, seed: int, record: Record) -> Record:
        value = Value(value=10.0 + (by_seed[seed] if arm == "no-affinity" else 0.0))
        return replace(record, values={**record.values, "split": value})

    other = replace(study, name="scenes-ours")
    other.arms["no-affinity"].claims = (Claim(metric="split", direction="down"),)
    other.publish(split)
    found = claims_table(check_claims(results_of(other.store, other.manifest)), target="ablations.x")
    assert [row[-1].text for row in found.rows] == ["undecided"]
    assert any(note.startswith("Undecided because seeds disagree: 1.") for note in found.footnotes)
    assert not any("Too few" in note for note in found.footnotes)


def test_p_is_adjusted_over_the_table_and_stays_empty_without_pairs() -> None:
    pairs = [paired({0: x, 1: x, 2: y}, dict.fromkeys(range(3), 0.0)) for x, y in ((1.0, 2.0), (1.0, -1.0))]
    found = adjusted_p([pairs[0], paired({}, {}), pairs[1]])
    assert found == [0.5, None, 1.0]


def test_many_seeds_have_a_bootstrap_interval_with_its_n_beside(study: Any) -> None:
    study.seeds = tuple(range(8))
    study.arms["no-affinity"].claims = (Claim(metric="active_parameters/c=0", direction="down"),)

    def varied(arm: str, seed: int, record: Record) -> Record:
        value = Value(value=100.0 + (seed**2 if arm == "baseline" else -seed))
        return replace(record, values={**record.values, "active_parameters/c=0": value})

    study.publish(varied)
    (row,) = claims_table(check_claims(results_of(study.store, study.manifest))).rows
    assert row[3].detail.endswith("(n = 8)")
    assert float(row[4].text) < 0


def test_of_very_many_seeds_the_first_count_and_it_is_said(study: Any) -> None:
    study.seeds, study.cost_sample = tuple(range(45)), 5
    study.arms = {name: study.arms[name] for name in ("baseline", "no-affinity")}
    study.arms["no-affinity"].claims = (Claim(metric="hypervolume/c=0", direction="down"),)
    study.publish()
    verdicts = check_claims(results_of(study.store, study.manifest))
    assert (verdicts[0].decision, verdicts[0].comparison.n) == ("reproduced", MOST_PAIRS)
    assert "Of more than 30 seeds the first 30 count." in claims_table(verdicts).footnotes


def test_an_effect_that_is_undefined_is_empty() -> None:
    assert effect_text([1.0, 2.0]) == effect_text([1.0] * 4) == ""
    assert effect_text([1.0, 2.0, 3.0]).startswith("+1.1")
