from typing import Any

import pytest

from dymu.reports.evidence import gather
from dymu.reports.paper_claims_behaviour import BEHAVIOUR
from dymu.reports.paper_verdicts import judge


@pytest.fixture
def outcomes(study: Any) -> dict[str, str]:
    study.publish()
    findings = judge(gather(study.store, "digits-ours"), BEHAVIOUR)
    return {finding.check.name: finding.outcome for finding in findings}


def test_costs_that_fall_with_c_are_recognised(outcomes: dict[str, str]) -> None:
    assert outcomes["G2a"] == outcomes["G2b"] == "reproduced"


def test_claims_about_arms_that_were_not_run_stay_open(outcomes: dict[str, str]) -> None:
    assert outcomes["G1b"] == outcomes["G3d"] == outcomes["G4a"] == "undecided"


def test_questions_that_make_the_arms_are_named() -> None:
    made = {check.name: check.question for check in BEHAVIOUR}
    assert made["G3d"] == "ablations.adaptation"
    assert made["G1b"] == "ablations.baselines"
    assert made["G4a"] == "ablations.trade_off"
