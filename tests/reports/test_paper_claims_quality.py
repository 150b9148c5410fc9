from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from dymu.artifacts.record import Record, Value
from dymu.reports.evidence import gather
from dymu.reports.paper_claims_quality import QUALITY
from dymu.reports.paper_verdicts import Finding, judge

FIXED = {"hypervolume": 11.72, "uniformity": 0.73}


@pytest.fixture
def findings(study: Any, other_arm: Any) -> dict[str, Finding]:
    """A store in which all that the paper says of hypervolumes holds, but for adaptation at c = 0."""
    fixed = {"resources": (None,), "paper": FIXED}
    study.arms = {
        "baseline": study.arms["baseline"],
        "without-adaptation": other_arm("w/o adaptation", volume=16.5, uniformity=0.83),
        "phn-bn": other_arm("PHN-BN", volume=12.0, uniformity=0.7, **fixed),
        "phn": other_arm("PHN", volume=4.0, uniformity=0.7, resources=(None,)),
        "single-task": other_arm("Single-Task", volume=13.0, resources=(None,), paper={"hypervolume": 12.83}),
    }
    study.question = "baselines"
    return judged(study)


def judged(study: Any) -> dict[str, Finding]:
    study.publish()
    return {finding.check.name: finding for finding in judge(gather(study.store, "digits-ours"), QUALITY)}


def outcomes(findings: Mapping[str, Finding]) -> dict[str, str]:
    return {name: finding.outcome for name, finding in findings.items()}


@pytest.mark.parametrize("name", ["G6a", "G6b", "G6c", "G7a", "G7b", "G9a", "G9b", "G9c", "G10d"])
def test_what_the_records_show_is_reproduced(findings: dict[str, Finding], name: str) -> None:
    assert findings[name].outcome == "reproduced"


def test_what_they_contradict_is_not(findings: dict[str, Finding]) -> None:
    assert findings["G10a"].outcome == "not reproduced"


def test_what_is_about_other_settings_does_not_apply(findings: dict[str, Finding]) -> None:
    assert outcomes(findings)["G11a"] == outcomes(findings)["G6d"] == "not applicable"


def test_a_claim_about_two_settings_waits_for_the_second(findings: dict[str, Finding]) -> None:
    assert [findings[name].outcome for name in ("G8a", "G8b")] == ["undecided", "undecided"]
    (command,) = findings["G8a"].commands
    assert command == "dymu run ablations.baselines_scenes --arm baseline --arm single-task --seeds 3"


def test_a_claim_about_two_settings_is_decided_where_the_store_has_both(
    study: Any, other_arm: Any, findings: dict[str, Finding]
) -> None:
    assert findings["G7b"].outcome == "reproduced"  # c = 1 is above the single-task nets here
    arms = {"baseline": other_arm("Ours"), "single-task": other_arm("S", volume=20.0, resources=(None,))}

    def other_data(arm: str, _: int, record: Record) -> Record:
        rich = {"hypervolume/c=0": Value(value=25.0)} if arm == "baseline" else {}
        return replace(record, data_digest="scenes", values={**record.values, **rich})

    replace(study, name="scenes-ours", arms=arms).publish(other_data)
    found = {each.check.name: each for each in judge(gather(study.store, "digits-ours"), QUALITY)}
    assert found["G8a"].outcome == found["G8b"].outcome == "reproduced"
    assert found["G8a"].where == "digits-ours.baselines and scenes-ours.baselines"


def test_a_tie_in_the_paper_is_no_claim(study: Any, other_arm: Any) -> None:
    study.arms["baseline"].paper = {"uniformity/c=0": 0.54}
    study.arms["phn"] = other_arm("PHN", resources=(None,), paper={"uniformity": 0.54})
    assert judged(study)["G9a"].reason == "the paper prints 0.54 and 0.54 for this setting"


def test_hypervolume_below_the_single_task_nets_is_right_where_the_paper_prints_it(
    study: Any, other_arm: Any
) -> None:
    study.arms["baseline"].paper = {"hypervolume/c=0": 4.26}
    study.arms["single-task"] = other_arm("S", volume=18.0, resources=(None,), paper={"hypervolume": 4.31})
    assert judged(study)["G7a"].outcome == "reproduced"
