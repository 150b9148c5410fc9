from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dymu.reports.checks import Case, Check, Margins, Measured, as_printed, both_ends, exceeds, frugal, rich
from dymu.reports.evidence import Evidence, gather
from dymu.reports.paper_verdicts import Finding, decide_margins, findings_table, judge
from dymu.reports.table import Table

POSITIVE = st.lists(st.floats(0.01, 10), min_size=3, max_size=6)


def check(name: str = "G0", **fields: Any) -> Check:
    form: dict[str, Any] = {"text": "A claim", "quantity": "HV beyond", "source": "Table 1"}
    form["measure"] = exceeds(rich("hypervolume"), frugal("hypervolume"))
    return Check(name=name, **{**form, "question": "ablations.adaptation", **fields})


def found(study: Any, *checks: Check, **fields: Any) -> tuple[Evidence, list[Finding]]:
    study.publish()
    evidence = gather(study.store, "digits-ours")
    return evidence, judge(evidence, checks, **fields)


def notes(table: Table) -> str:
    return "\n".join(table.footnotes)


@given(POSITIVE)
def test_margins_of_one_sign_decide(margins: list[float]) -> None:
    assert decide_margins(margins) == "reproduced"
    assert decide_margins([-margin for margin in margins]) == "not reproduced"
    assert decide_margins([*margins, -0.01]) == "undecided"


@given(POSITIVE)
def test_a_tie_counts_only_where_the_claim_allows_it(margins: list[float]) -> None:
    assert decide_margins([*margins, 0.0]) == "undecided"
    assert decide_margins([*margins, 0.0], may_tie=True) == "reproduced"


@given(st.lists(st.floats(-1, 1), max_size=2))
def test_fewer_than_three_seeds_decide_nothing(margins: list[float]) -> None:
    assert decide_margins(margins, may_tie=True) == "undecided"


def test_a_finding_has_its_figures_and_where_they_come_from(study: Any) -> None:
    _, (finding,) = found(study, check())
    assert finding.outcome == "reproduced"
    assert finding.comparison.differences == pytest.approx((2, 2, 2))
    assert finding.comparison.p == 0.25
    assert finding.paper == pytest.approx(0.35)
    assert finding.where == "digits-ours.branching_regularizer"
    assert finding.commands == ()


def test_a_claim_without_records_names_what_makes_them(study: Any) -> None:
    evidence, findings = found(study, check(arms=("baseline", "recalibrated")))
    assert (findings[0].outcome, findings[0].comparison.n) == ("undecided", 0)
    table = findings_table(evidence, findings)
    assert table.rows[0][3].text == "missing"
    assert (
        "made by `dymu run ablations.adaptation --study studies.digits:ours --arm baseline "
        "--arm recalibrated --seeds 3`: G0." in notes(table)
    )


def test_few_seeds_are_undecided_and_more_are_asked_for(study: Any) -> None:
    study.seeds = (0,)
    evidence, findings = found(study, check())
    assert (findings[0].outcome, findings[0].comparison.n) == ("undecided", 1)
    assert "--seeds 3`: G0." in notes(findings_table(evidence, findings))


def test_a_claim_whose_arms_cannot_be_made_does_not_apply(study: Any) -> None:
    _, (finding,) = found(
        study, check(arms=("baseline", "phn")), exists=lambda target: target != "studies.digits:phn"
    )
    assert (finding.outcome, finding.reason) == ("not applicable", "`studies.digits:phn` cannot be run")


def test_a_question_is_asked_with_its_study_and_arms(study: Any) -> None:
    asked: list[str] = []

    def exists(text: str) -> bool:
        asked.append(text)
        return False

    found(study, check(arms=("baseline", "recalibrated")), exists=exists)
    assert asked == ["ablations.adaptation --study studies.digits:ours --arm baseline --arm recalibrated"]


def test_records_count_even_where_no_run_can_make_more(study: Any) -> None:
    study.seeds = (0,)
    _, (finding,) = found(study, check(), exists=lambda _: False)
    assert (finding.outcome, finding.comparison.n, finding.commands) == ("undecided", 1, ())


def test_a_claim_that_does_not_apply_says_why(study: Any) -> None:
    evidence, findings = found(
        study, check("G1", measure=lambda _: "it is Tuesday"), check("G2", reason="never")
    )
    assert [each.outcome for each in findings] == ["not applicable"] * 2
    table = findings_table(evidence, findings)
    assert "Not applicable, because it is Tuesday: G1." in table.footnotes
    assert "Not applicable, because never: G2." in table.footnotes
    assert table.rows[0][7].text == ""


def test_the_table_adjusts_p_and_counts_verdicts(study: Any) -> None:
    low = exceeds(rich("uniformity", "no-affinity"), 0.99)
    opposite = check("G2", arms=("baseline", "no-affinity"), measure=low)
    evidence, findings = found(study, check("G1"), opposite)
    table = findings_table(evidence, findings)
    assert table.title == "Claims of the paper on digits-ours"
    assert [row[-1].text for row in table.rows] == ["reproduced", "not reproduced"]
    assert [row[6].text for row in table.rows] == ["0.25", "0.25"]
    assert table.rows[0][1].detail == "HV beyond"
    assert table.rows[0][3].paper == "+0.35"
    assert "2 claims: 1 reproduced, 1 not reproduced, 0 undecided, 0 not applicable." in table.footnotes
    assert "Records of digits-ours.branching_regularizer: G1, G2." in table.footnotes
    assert "with 3 seeds it cannot be below 0.25" in notes(table)


def test_seeds_that_disagree_are_counted_on_either_side(study: Any) -> None:
    def split(case: Case) -> Margins:
        return Margins(by_seed=dict(zip(case.results.of("baseline"), (1.0, -1.0, 0.0), strict=True)))

    evidence, findings = found(study, check("G1", measure=split), check("G2", measure=split, may_tie=True))
    assert [each.outcome for each in findings] == ["undecided"] * 2
    assert "Undecided because seeds disagree: G1 (1 of 3 for it), G2 (2 of 3 for it)." in notes(
        findings_table(evidence, findings)
    )


def test_a_claim_about_two_settings_takes_the_one_with_most_seeds(study: Any, other_arm: Any) -> None:
    def common(one: Case, two: Case | None) -> Measured:
        assert two is not None
        if two.results.manifest.study == "c-ours":
            return "it is no such setting"
        seeds = set(one.results.of("baseline")) & set(two.results.of("baseline"))
        return Margins(by_seed=dict.fromkeys(seeds, 1.0))

    arms = {"baseline": other_arm("Ours"), "single-task": other_arm("S", resources=(None,))}
    for name, seeds in (("a-ours", (0,)), ("b-ours", (0, 1, 2)), ("c-ours", (0, 1, 2))):
        other = replace(study, name=name, arms=arms, seeds=seeds, question="baselines")
        other.publish(lambda _, __, record: replace(record, data_digest="others"))
    of_two = check(between=common)
    _, (finding,) = found(study, of_two)
    assert (finding.outcome, finding.comparison.n) == ("reproduced", 3)
    assert finding.where == "digits-ours.branching_regularizer and b-ours.baselines"
    chosen = gather(study.store, "digits-ours", against="c-ours")
    assert judge(chosen, [of_two])[0].reason == "it is no such setting"


def test_records_that_were_let_through_are_told_below_the_verdicts(study: Any) -> None:
    study.publish(lambda arm, _, r: replace(r, data_digest="other") if arm == "no-affinity" else r)
    evidence = gather(study.store, "digits-ours", allow_mixed=True)
    table = findings_table(evidence, judge(evidence, [check()]))
    assert "digits-ours.branching_regularizer: Not made alike: the digest of the data" in notes(table)


def test_what_was_left_out_is_a_footnote(study: Any) -> None:
    _, findings = found(study, check())
    table = findings_table(
        Evidence(study="a", target="b:a", cases=(), manifests=(), left_out=("it differs.",)), findings
    )
    assert table.footnotes[-1] == "Left out: it differs."


def test_without_any_record_claims_wait_for_them(study: Any) -> None:
    study.without = tuple((arm, seed) for arm in study.arms for seed in study.seeds)
    pair = (rich("hypervolume"), rich("hypervolume", "no-affinity"))
    measures = (both_ends(exceeds(rich("hypervolume"), frugal("hypervolume"))), as_printed(*pair))
    arms = ("baseline", "no-affinity")
    _, findings = found(study, *(check(measure=measure, arms=arms) for measure in measures))
    assert [(each.outcome, bool(each.commands)) for each in findings] == [("undecided", True)] * 2


def test_claims_about_another_number_of_tasks_do_not_apply(study: Any) -> None:
    _, (five, three) = found(study, check(num_tasks=5), check(num_tasks=3))
    assert five.reason == "it is about 5 tasks, not 3"
    assert three.outcome == "reproduced"
