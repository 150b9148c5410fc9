from dataclasses import replace
from typing import Any

import pytest

from dymu.artifacts.record import Record
from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.reports.checks import RETRAINED, Check
from dymu.reports.evidence import Evidence, Run, common_seeds, gather, plain, runs, study_itself

OURS = Check(name="G0", text="", source="", question="ablations.branching_regularizer")
AGAINST_PHN = replace(OURS, arms=("baseline", "phn-bn"), question="ablations.baselines")


def publish(study: Any, name: str = "digits-ours", question: str = "", **fields: Any) -> None:
    """The records of one manifest more."""
    made = replace(study, name=name, question=question, **fields)
    made.publish()


def test_questions_about_a_study_and_their_relatives_are_cases(study: Any, other_arm: Any) -> None:
    study.publish()
    publish(study, question="adaptation", arms={"baseline": other_arm("Ours")})
    publish(study, name="digits-phn-bn", arms={"baseline": other_arm("PHN-BN", resources=(None,))})
    publish(study, name="scenes-ours", arms={"baseline": other_arm("Ours")})
    found = gather(study.store, "studies.digits:ours")
    assert [case.results.manifest.name for case in found.cases] == [
        "digits-ours.adaptation",
        "digits-ours.branching_regularizer",
        "digits-phn-bn",
        "digits-ours and its counterparts",
    ]


@pytest.mark.parametrize("text", ["studies.digits:ours", "digits-ours", "studies.digits"])
def test_a_study_has_several_names(study: Any, text: str) -> None:
    study.publish()
    assert gather(study.store, text).study == "digits-ours"


def test_an_unknown_study_is_refused_with_what_there_is(study: Any) -> None:
    study.publish()
    with pytest.raises(ReportError, match=r"no study 'studies.scenes:ours'; it knows digits-ours"):
        gather(study.store, "studies.scenes:ours")


def test_an_empty_store_knows_nothing(store: Store) -> None:
    with pytest.raises(ReportError, match="it knows nothing"):
        gather(store, "studies.digits")


def test_the_case_with_most_seeds_is_taken_and_in_doubt_the_checks_question(
    study: Any, other_arm: Any
) -> None:
    publish(study, question="adaptation", arms={"baseline": other_arm("Ours")}, seeds=(0, 1, 2))
    study.publish()
    case = gather(study.store, "digits-ours").case(OURS)
    assert case is not None
    assert case.results.manifest.name == "digits-ours.branching_regularizer"
    publish(study, question="more", arms={"baseline": other_arm("Ours")}, seeds=(0, 1, 2, 3))
    case = gather(study.store, "digits-ours").case(OURS)
    assert case is not None
    assert case.results.manifest.name == "digits-ours.more"
    assert common_seeds(case, OURS) == (0, 1, 2, 3)


def test_counterparts_that_were_run_by_themselves_stand_beside_the_study(study: Any, other_arm: Any) -> None:
    study.publish()
    publish(
        study, name="digits-phn-bn", arms={"baseline": other_arm("PHN-BN", resources=(None,), volume=9.0)}
    )
    case = gather(study.store, "digits-ours").case(AGAINST_PHN)
    assert case is not None
    assert case.results.values("phn-bn", "hypervolume")[1] == 9.0
    assert case.results.arm("baseline").paper["hypervolume/c=0"] == 13.43


def test_a_baseline_of_another_method_is_no_case(study: Any) -> None:
    study.publish()
    assert gather(study.store, "digits-ours").case(replace(OURS, method=RETRAINED)) is None


def test_what_cannot_be_compared_is_left_out_and_said(study: Any) -> None:
    def change(arm: str, _: int, record: Record) -> Record:
        return replace(record, data_digest="another") if arm == "no-affinity" else record

    study.publish(change)
    found = gather(study.store, "digits-ours")
    assert found.cases == ()
    assert "digest of the data" in found.left_out[0]
    assert gather(study.store, "digits-ours", allow_mixed=True).cases


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


def test_a_study_is_run_as_it_was_run_or_as_the_user_says(study: Any, other_arm: Any) -> None:
    study.publish()
    assert gather(study.store, "digits-ours").target == "studies.digits:ours"
    assert gather(study.store, "mine.digits:ours").target == "mine.digits:ours"
    # The synthetic study without a question always names this target.
    publish(study, name="toy-ours", arms={"baseline": other_arm("Ours")})
    assert gather(study.store, "toy-ours").target == "studies.digits:ours"


def test_a_run_is_a_command_line() -> None:
    run = Run(target="ablations.adaptation", study="studies.scenes:ours", arms=("baseline", "recalibrated"))
    assert run.command(5) == (
        "dymu run ablations.adaptation --study studies.scenes:ours --arm baseline --arm recalibrated "
        "--seeds 5"
    )
    assert plain("digits_search-arms") == "digits-search-arms"


ON_PAIRS = replace(AGAINST_PHN, question="ablations.trade_off", own_evaluation=True)


def test_a_check_with_an_evaluation_of_its_own_goes_by_its_question_even_at_fewer_seeds(
    study: Any, other_arm: Any
) -> None:
    arms = {"baseline": other_arm("Ours"), "phn-bn": other_arm("PHN-BN", resources=(None,))}
    publish(study, question="baselines", arms=arms, seeds=(0, 1, 2))
    publish(study, question="trade_off", arms=arms, seeds=(0,))
    found = gather(study.store, "digits-ours")
    of_pairs, of_all = found.case(ON_PAIRS), found.case(AGAINST_PHN)
    assert of_pairs is not None
    assert of_pairs.results.manifest.name == "digits-ours.trade_off"
    assert of_all is not None
    assert of_all.results.manifest.name == "digits-ours.baselines"


def test_without_its_question_such_a_check_takes_what_there_is_and_names_its_question(
    study: Any, other_arm: Any
) -> None:
    arms = {"baseline": other_arm("Ours"), "phn-bn": other_arm("PHN-BN", resources=(None,))}
    publish(study, question="baselines", arms=arms)
    found = gather(study.store, "digits-ours")
    case = found.case(ON_PAIRS)
    assert case is not None
    assert case.results.manifest.name == "digits-ours.baselines"
    assert runs(found, ON_PAIRS) == (Run(target="ablations.trade_off", arms=("baseline", "phn-bn")),)


def test_a_check_on_pairs_of_another_study_names_that_study(study: Any) -> None:
    publish(study, name="scenes-ours", question="adaptation")
    found = gather(study.store, "studies.scenes:ours")
    (run,) = runs(found, ON_PAIRS)
    assert run.command(3) == (
        "dymu run ablations.trade_off --study studies.scenes:ours --arm baseline --arm phn-bn --seeds 3"
    )


def test_one_manifest_speaks_for_its_study(study: Any) -> None:
    study.publish()
    assert study_itself(study.store, "digits-ours") is None


def test_a_study_of_several_questions_stands_beside_its_counterparts(study: Any, other_arm: Any) -> None:
    study.publish()
    publish(study, question="adaptation", arms={"baseline": other_arm("Ours")})
    found = study_itself(study.store, "studies.digits:ours")
    assert found is not None
    assert (found.name, found.target) == ("digits-ours", "studies.digits")
    assert found.title == "digits-ours beside its counterparts"
    assert [arm.name for arm in found.arms] == ["baseline"]
    publish(study, name="digits-phn-bn", arms={"baseline": other_arm("", resources=(None,))})
    found = study_itself(study.store, "digits-ours")
    assert found is not None
    assert [(arm.name, arm.label) for arm in found.arms][1:] == [("phn-bn", "digits-phn-bn")]


def test_a_study_that_was_run_speaks_for_itself(study: Any, other_arm: Any) -> None:
    study.publish()
    publish(study, arms={"baseline": other_arm("Ours")})
    assert study_itself(study.store, "digits-ours") is None
