"""All checks together: complete, readable, and runnable on records of a whole question."""

import re
from typing import Any

from dymu.reports.evidence import gather
from dymu.reports.paper_claims import CHECKS
from dymu.reports.paper_verdicts import judge


def test_every_claim_of_the_list_is_there_once() -> None:
    names = [check.name for check in CHECKS]
    assert len(names) == len(set(names))
    numbers = [int(re.sub(r"\D", "", name)) for name in names]
    assert sorted(set(numbers)) == list(range(1, 23))
    assert numbers == sorted(numbers)


def test_every_check_says_what_it_is_where_it_comes_from_and_how_records_are_made() -> None:
    for check in CHECKS:
        assert check.text
        assert check.source
        assert bool(check.reason) != bool(check.quantity), check.name
        assert bool(check.reason) != bool(check.question), check.name
        assert check.arms[0] == "baseline"


def test_no_claim_fails_on_records_that_hold_little(study: Any) -> None:
    study.publish()
    findings = judge(gather(study.store, "digits-ours"))
    assert len(findings) == len(CHECKS)
    assert {finding.outcome for finding in findings} == {
        "reproduced",
        "not reproduced",
        "undecided",
        "not applicable",
    }
    for finding in findings:
        told = finding.reason or finding.commands or finding.comparison.n >= 3
        assert told, finding.check.name
