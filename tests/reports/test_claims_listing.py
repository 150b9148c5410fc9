"""Verdicts in a terminal: grouped, a line each, nothing cut off."""

import io
from typing import Any

import pytest
from rich.console import Console

from dymu.reports.claims import check_claims, claims_table
from dymu.reports.claims_listing import ClaimsListing, QuestionListing
from dymu.reports.collect import results_of
from dymu.reports.evidence import gather
from dymu.reports.paper_claims import CHECKS
from dymu.reports.paper_verdicts import judge
from dymu.spec.ablation import Claim


def printed(study: Any, width: int, **style: Any) -> str:
    study.publish()
    evidence = gather(study.store, "digits-ours")
    out = io.StringIO()
    Console(file=out, width=width, **style).print(ClaimsListing(evidence, judge(evidence)))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 160])
def test_every_claim_is_there_and_nothing_is_cut_off(study: Any, width: int) -> None:
    lines = printed(study, width).splitlines()
    assert "…" not in "".join(lines)
    assert max(map(len, lines)) <= width
    first = {line.split()[0] for line in lines if line}
    assert {check.name for check in CHECKS} <= first
    groups = ("Behaviour", "Quality", "Ablations", "Architectures and overhead")
    assert [line for line in lines if line.startswith(groups)] == list(groups)


def test_claims_have_a_line_each_at_eighty_columns(study: Any) -> None:
    body = printed(study, 80).partition("\nMargin: ")[0].splitlines()
    assert len(body) <= 1.2 * len(CHECKS) + 12


def test_a_narrow_terminal_has_verdicts_in_short_and_says_what_they_mean(study: Any) -> None:
    shown = printed(study, 80)
    assert "no: not reproduced (" in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("G2a ")]
    assert line.split()[1] == "yes"
    assert "A larger c means fewer parameters" in line


def test_a_wide_terminal_has_all_numbers(study: Any) -> None:
    lines = printed(study, 160).splitlines()
    (heads,) = {" ".join(line.split()) for line in lines if line.startswith(" ") and "verdict" in line}
    assert heads == "verdict margin paper effect p p adj. n claim"
    (line,) = [line for line in lines if line.startswith("G6c ")]
    assert line.split()[1:5] == ["reproduced", "+2", "[+0.35]", "0.25"]


def test_claims_without_records_say_so(study: Any) -> None:
    (line,) = [line for line in printed(study, 80).splitlines() if line.startswith("G10a ")]
    assert "open" in line
    assert "no records" in line


def of_question(study: Any, width: int) -> list[str]:
    study.arms["no-inactive-loss"].claims = (
        Claim(metric="uniformity/c=0", direction="down", source="Table 6"),
        Claim(metric="nothing/c=0", direction="up"),
    )
    study.arms["no-affinity"].claims = (Claim(metric="hypervolume/c=0", direction="up", source="Table 6"),)
    study.publish()
    verdicts = check_claims(results_of(study.store, study.manifest))
    out = io.StringIO()
    Console(file=out, width=width).print(QuestionListing(verdicts, claims_table(verdicts)))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 160])
def test_claims_of_a_question_stand_by_their_arm_with_their_verdict(study: Any, width: int) -> None:
    lines = [line.rstrip() for line in of_question(study, width)]
    assert max(map(len, lines)) <= width
    assert lines[0] == "Claims"
    assert " ".join(lines[1:3]).startswith("yes: reproduced (1), no: not reproduced (1), open: undecided (1)")
    arms = [line for line in lines if line in ("no L_inactive", "no task affinity")]
    assert arms == ["no L_inactive", "no task affinity"]
    words = ("reproduced", "not reproduced", "undecided") if width > 132 else ("yes", "no", "open")
    (line,) = [line for line in lines if line.endswith("uniformity at c = 0 goes down")]
    assert line.startswith(words[0])
    assert "-0.24" in line
    (line,) = [line for line in lines if line.endswith("hypervolume at c = 0 goes up")]
    assert line.startswith(words[1])
    (line,) = [line for line in lines if "no records" in line]
    assert line.startswith(words[2])


def test_p_effect_and_source_are_in_wide_terminals(study: Any) -> None:
    wide, narrow = "\n".join(of_question(study, 160)), "\n".join(of_question(study, 80))
    assert "0.25" in wide
    assert "Table 6" in wide
    assert "p adj.: p after" in wide
    assert "p adj.:" not in narrow
    assert "in wider terminals" in narrow
