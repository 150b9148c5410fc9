"""Verdicts in a terminal: grouped, a line each, nothing cut off."""

import io
from typing import Any

import pytest
from rich.console import Console

from dymu.reports.claims_listing import ClaimsListing
from dymu.reports.evidence import gather
from dymu.reports.paper_claims import CHECKS
from dymu.reports.paper_verdicts import judge


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
