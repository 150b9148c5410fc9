from dataclasses import replace
from typing import Any

import pytest

from dymu.artifacts.record import Record
from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.reports.checks import RETRAINED, Check
from dymu.reports.evidence import attribute_of, common_seeds, gather, plain, study_itself

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


def test_a_study_that_is_nearly_right_is_told_with_the_right_one(study: Any) -> None:
    study.publish()
    with pytest.raises(ReportError, match=r"no study 'studies.digits:our' \(did you mean 'digits-ours'\?\)"):
        gather(study.store, "studies.digits:our")


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


def test_a_study_is_run_as_it_was_run_or_as_the_user_says(study: Any, other_arm: Any) -> None:
    study.publish()
    assert gather(study.store, "digits-ours").target == "studies.digits:ours"
    assert gather(study.store, "mine.digits:ours").target == "mine.digits:ours"
    # The synthetic study without a question always names this target.
    publish(study, name="toy-ours", arms={"baseline": other_arm("Ours")})
    assert gather(study.store, "toy-ours").target == "studies.digits:ours"


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


def test_without_its_question_such_a_check_takes_what_there_is(study: Any, other_arm: Any) -> None:
    arms = {"baseline": other_arm("Ours"), "phn-bn": other_arm("PHN-BN", resources=(None,))}
    publish(study, question="baselines", arms=arms)
    found = gather(study.store, "digits-ours")
    case = found.case(ON_PAIRS)
    assert case is not None
    assert case.results.manifest.name == "digits-ours.baselines"


def test_names_have_one_spelling_in_a_store_and_one_in_modules() -> None:
    assert plain("digits_search-arms") == "digits-search-arms"
    assert attribute_of("phn-bn") == "phn_bn"


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


def setting(study: Any, other_arm: Any, name: str, **fields: Any) -> None:
    """A study of other data with single-task nets."""
    arms = {
        "baseline": other_arm("Ours"),
        "phn": other_arm("PHN", resources=(None,)),
        "single-task": other_arm("Single-Task", resources=(None,), **fields),
    }
    made = replace(study, name=name, question="baselines", arms=arms)
    made.publish(lambda _, __, record: replace(record, data_digest=f"data of {name}"))


def test_other_settings_are_the_controllers_of_other_studies_beside_their_single_task_nets(
    study: Any, other_arm: Any
) -> None:
    study.publish()
    setting(study, other_arm, "scenes-ours")
    publish(study, name="toy-ours", arms={"baseline": other_arm("Ours")})
    found = gather(study.store, "digits-ours")
    (other,) = found.others
    assert other.results.manifest.name == "scenes-ours.baselines"
    assert [arm.name for arm in other.results.arms] == ["baseline", "single-task"]
    assert [case.results.manifest.study for case in found.cases] == ["digits-ours"]


def test_one_other_setting_may_be_chosen(study: Any, other_arm: Any) -> None:
    study.publish()
    setting(study, other_arm, "scenes-ours")
    setting(study, other_arm, "nyuv2-ours")
    found = gather(study.store, "digits-ours")
    assert [case.results.manifest.study for case in found.others] == ["nyuv2-ours", "scenes-ours"]
    found = gather(study.store, "digits-ours", against="studies.scenes:ours")
    assert [case.results.manifest.study for case in found.others] == ["scenes-ours"]


def test_another_study_of_the_same_data_is_no_other_setting(study: Any, other_arm: Any) -> None:
    study.publish()
    arms = {"baseline": other_arm("Ours"), "single-task": other_arm("S", resources=(None,))}
    publish(study, name="digits_wide-ours", question="baselines", arms=arms)
    assert gather(study.store, "digits-ours").others == ()


@pytest.mark.parametrize("against", ["studies.digits:ours", "digits-phn-bn"])
def test_a_study_is_not_compared_with_its_own_setting(study: Any, other_arm: Any, against: str) -> None:
    study.publish()
    publish(study, name="digits-phn-bn", arms={"baseline": other_arm("PHN-BN", resources=(None,))})
    with pytest.raises(ReportError, match="no other setting than digits-ours"):
        gather(study.store, "digits-ours", against=against)
