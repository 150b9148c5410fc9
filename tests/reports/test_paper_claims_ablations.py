from typing import Any

import pytest

from dymu.reports.evidence import gather
from dymu.reports.paper_claims_ablations import ABLATIONS
from dymu.reports.paper_verdicts import Finding, judge


def judged(study: Any, name: str = "digits-ours") -> dict[str, Finding]:
    study.publish()
    return {finding.check.name: finding for finding in judge(gather(study.store, name), ABLATIONS)}


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("G13a", "reproduced"),  # more parameters
        ("G13b", "reproduced"),  # lower uniformity
        ("G13c", "not reproduced"),  # higher hypervolume
        ("G15a", "not reproduced"),  # fewer parameters
        ("G15c", "reproduced"),
        ("G15d", "not reproduced"),  # 9 at c = 0, 7 at c = 1
        ("G14a", "undecided"),  # not run
    ],
)
def test_rows_of_table_6_are_judged(study: Any, name: str, outcome: str) -> None:
    assert judged(study)[name].outcome == outcome


def test_thresholds_around_a_third_are_about_three_tasks(study: Any, other_arm: Any) -> None:
    study.arms["threshold-0.5"] = other_arm("threshold 0.5", cost=0.99)
    assert judged(study)["G17d"].outcome == "not reproduced"
    study.tasks, study.name = ("left", "right"), "twins-ours"
    assert judged(study, "twins-ours")["G17d"].reason == "it is about 3 tasks, not 2"


def test_concentrations_need_all_four_arms(study: Any, other_arm: Any) -> None:
    for concentration in ("0.1", "0.5", "1"):
        study.arms[f"concentration-{concentration}"] = other_arm(concentration, volume=16.1)
    assert judged(study)["G18"].outcome == "reproduced"
    del study.arms["concentration-0.5"]
    study.question = "fewer"
    study.name = "other-ours"
    assert judged(study, "other-ours")["G18"].outcome == "undecided"


def test_a_controller_is_not_taken_for_a_retrained_net(study: Any, other_arm: Any) -> None:
    study.arms["ltb"] = other_arm("LTB")
    found = judged(study)["G19a"]
    assert (found.outcome, found.comparison.n) == ("undecided", 0)


def test_a_picture_is_not_judged(study: Any) -> None:
    assert judged(study)["G21"].outcome == "not applicable"
