"""What to run for the records that a claim lacks."""

from dataclasses import replace
from typing import Any

import pytest

from dymu.reports.checks import RETRAINED, Check, Margins
from dymu.reports.evidence import Evidence, gather
from dymu.reports.missing_runs import Run, runs

OURS = Check(name="G0", text="", source="", question="ablations.branching_regularizer")
AGAINST_PHN = replace(OURS, arms=("baseline", "phn-bn"), question="ablations.baselines")
ON_PAIRS = replace(AGAINST_PHN, question="ablations.trade_off", own_evaluation=True)
OF_TWO = replace(
    OURS,
    arms=("baseline", "single-task"),
    question="ablations.baselines",
    between=lambda _, __: Margins(by_seed={}),
)


def test_missing_arms_of_a_known_question_are_made_by_it(study: Any) -> None:
    study.publish()
    check = replace(OURS, arms=("baseline", "no-affinity"))
    (run,) = runs(gather(study.store, "digits-ours"), check)
    assert run.command(3) == (
        "dymu run ablations.branching_regularizer --arm baseline --arm no-affinity --seeds 3"
    )


@pytest.mark.parametrize(
    ("study", "check", "expected"),
    [
        (
            "digits-ours",
            AGAINST_PHN,
            (Run(target="studies.digits:ours"), Run(target="studies.digits:phn_bn")),
        ),
        (
            "nyuv2-small",
            AGAINST_PHN,
            (Run(target="studies.nyuv2:small"), Run(target="studies.nyuv2:small_phn_bn")),
        ),
        (
            "pascal3-ours",
            OURS,
            (Run(target=OURS.question, study="studies.pascal3:ours", arms=("baseline",)),),
        ),
        (
            "pascal3-ours",
            replace(OURS, method=RETRAINED, question="ablations.architectures"),
            (Run(target="ablations.architectures_pascal3"),),
        ),
        (
            "digits-ours",
            replace(OURS, method=RETRAINED, question="ablations.architectures"),
            (Run(target="ablations.architectures"),),
        ),
        ("digits-ours", replace(OURS, question=""), ()),
    ],
)
def test_missing_records_of_an_unknown_question_have_a_command(
    study: str, check: Check, expected: tuple[Run, ...]
) -> None:
    module, _, attribute = study.partition("-")
    evidence = Evidence(study=study, target=f"studies.{module}:{attribute}", cases=(), manifests=())
    assert runs(evidence, check) == expected


def test_a_run_is_a_command_line() -> None:
    run = Run(target="ablations.adaptation", study="studies.scenes:ours", arms=("baseline", "recalibrated"))
    assert run.command(5) == (
        "dymu run ablations.adaptation --study studies.scenes:ours --arm baseline --arm recalibrated "
        "--seeds 5"
    )


def test_a_check_on_pairs_of_another_study_names_that_study(study: Any) -> None:
    replace(study, name="scenes-ours", question="adaptation").publish()
    found = gather(study.store, "studies.scenes:ours")
    (run,) = runs(found, ON_PAIRS)
    assert run.command(3) == (
        "dymu run ablations.trade_off --study studies.scenes:ours --arm baseline --arm phn-bn --seeds 3"
    )


def test_a_check_on_pairs_names_its_question_and_not_where_its_arms_are(study: Any, other_arm: Any) -> None:
    arms = {"baseline": other_arm("Ours"), "phn-bn": other_arm("PHN-BN", resources=(None,))}
    replace(study, question="baselines", arms=arms).publish()
    found = gather(study.store, "digits-ours")
    assert runs(found, ON_PAIRS) == (Run(target="ablations.trade_off", arms=("baseline", "phn-bn")),)


def setting(study: Any, other_arm: Any, name: str, seeds: tuple[int, ...]) -> None:
    arms = {"baseline": other_arm("Ours"), "single-task": other_arm("S", resources=(None,))}
    made = replace(study, name=name, question="baselines", arms=arms, seeds=seeds)
    made.publish(lambda _, __, record: replace(record, data_digest=name))


@pytest.mark.parametrize(
    ("first", "second"),
    [("digits-ours", "ablations.baselines_scenes"), ("nyuv2-ours", "ablations.baselines")],
)
def test_without_another_setting_generated_images_are_one(
    study: Any, other_arm: Any, first: str, second: str
) -> None:
    setting(study, other_arm, first, (0, 1, 2))
    assert runs(gather(study.store, first), OF_TWO) == (Run(target=second, arms=OF_TWO.arms),)


def test_of_two_settings_the_one_with_too_few_seeds_is_run(study: Any, other_arm: Any) -> None:
    setting(study, other_arm, "digits-ours", (0,))
    setting(study, other_arm, "scenes-ours", (0, 1, 2))
    (run,) = runs(gather(study.store, "digits-ours"), OF_TWO)
    assert run.text == "ablations.baselines --arm baseline --arm single-task"


def test_settings_with_other_seeds_are_both_run(study: Any, other_arm: Any) -> None:
    setting(study, other_arm, "digits-ours", (0, 1, 2))
    setting(study, other_arm, "scenes-ours", (3, 4, 5))
    assert len(runs(gather(study.store, "digits-ours"), OF_TWO)) == 2


def test_a_setting_of_studies_that_were_run_alone_is_run_so(study: Any, other_arm: Any) -> None:
    setting(study, other_arm, "digits-ours", (0, 1, 2))
    for name in ("scenes-ours", "scenes-single-task"):
        arms = {"baseline": other_arm(name)}
        made = replace(study, name=name, question="", arms=arms, seeds=(0,))
        made.publish(lambda _, __, record: replace(record, data_digest="scenes"))
    assert [run.text for run in runs(gather(study.store, "digits-ours"), OF_TWO)] == [
        "studies.scenes:ours",
        "studies.scenes:single_task",
    ]
