"""Numbers, studies and questions as users type them, to the manifest that answers."""

from typing import Any

import pytest

from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.reports.collect import find_results
from dymu.reports.lookup import Kind


def find(
    store: Store,
    number: int | None = None,
    kind: Kind = "table",
    study: str | None = None,
    question: str | None = None,
) -> str:
    return find_results(store, number=number, kind=kind, study=study, question=question).manifest.name


def test_a_table_is_found_by_its_number(study: Any) -> None:
    study.publish()
    study.question, study.source = "preference_sampling", "Table 61"
    study.publish()
    assert find(study.store, 6) == "digits-ours.branching_regularizer"


@pytest.mark.parametrize("number", [5, 7, 9, 12])
def test_figures_of_the_arms_of_table_6_are_found(study: Any, number: int) -> None:
    study.publish()
    assert find(study.store, number, "figure") == "digits-ours.branching_regularizer"


@pytest.mark.parametrize("number", [-1, 0, 9, 61])
def test_a_table_that_the_paper_does_not_have_is_refused(study: Any, number: int) -> None:
    study.publish()
    with pytest.raises(ReportError, match=f"the paper has Tables 1 to 8, not {number}"):
        find(study.store, number)


def test_a_number_and_a_question_about_another_table_disagree(study: Any) -> None:
    study.publish()
    with pytest.raises(ReportError, match="branching_regularizer is about Table 6 of the paper, not Table 3"):
        find(study.store, 3, question="ablations.branching_regularizer")
    assert find(study.store, 6, question="branching_regularizer") == "digits-ours.branching_regularizer"


def test_a_question_of_ones_own_is_about_the_table_that_it_names(study: Any) -> None:
    study.question, study.source = "mine", "Table 3, row 2"
    study.publish()
    assert find(study.store, 3, question="mine") == "digits-ours.mine"
    with pytest.raises(ReportError, match="question mine is about Table 3"):
        find(study.store, 6, question="mine")


def test_a_stand_in_for_four_tables_goes_with_each_of_their_numbers(study: Any) -> None:
    study.question, study.source = "baselines_scenes", "Table 3"
    study.publish()
    assert find(study.store, 4, question="baselines_scenes") == "digits-ours.baselines_scenes"


@pytest.mark.parametrize("text", ["studies.digits:ours", "mine.digits:ours", "digits-ours"])
def test_a_study_is_found_by_what_the_user_types(study: Any, text: str) -> None:
    study.publish()
    study.name = "scenes-ours"
    study.publish()
    assert find(study.store, 6, study=text) == "digits-ours.branching_regularizer"


def test_underscores_of_a_study_are_hyphens_in_its_name(study: Any) -> None:
    study.name, study.question = "digits-single-task", ""
    study.publish()
    assert find(study.store, study="studies.digits:single_task") == "digits-single-task"


@pytest.mark.parametrize("text", ["ablations.branching_regularizer", "branching_regularizer"])
def test_a_question_is_found_by_what_the_user_types(study: Any, text: str) -> None:
    study.publish()
    study.question = "active_threshold"
    study.publish()
    assert find(study.store, question=text) == "digits-ours.branching_regularizer"


def test_several_candidates_are_listed(study: Any) -> None:
    study.publish()
    study.name = "scenes-ours"
    study.publish()
    with pytest.raises(
        ReportError, match=r"any of these[^\n]*\n +digits-ours\.branch.*\n +scenes-ours\.branch"
    ):
        find(study.store, 6)


def test_a_name_that_is_nearly_right_is_told_with_the_right_one(study: Any) -> None:
    study.publish()
    with pytest.raises(ReportError, match=r"did you mean 'branching_regularizer'\?"):
        find(study.store, None, question="ablations.branching_regulariser")
    with pytest.raises(ReportError, match=r"did you mean 'digits-ours'\?"):
        find(study.store, 6, study="studies.digit:ours")


def test_an_empty_store_says_what_to_run(store: Store) -> None:
    with pytest.raises(ReportError, match=r"it is empty.*`dymu run ablations.branching_regularizer`"):
        find(store, 6)


def test_a_question_that_was_not_asked_says_what_there_is_and_what_to_run(study: Any) -> None:
    study.publish()
    there = r"table 8, study studies.digits:ours: there is digits-ours.branching_regularizer \(Table 6\)"
    command = "`dymu run ablations.preference_sampling --study studies.digits:ours`"
    with pytest.raises(ReportError, match=f"no results for {there}. Make them: {command}"):
        find(study.store, 8, study="studies.digits:ours")


def test_figure_6_is_found_by_the_row_that_is_from_it(grid_study: Any) -> None:
    grid_study.publish()
    grid_study.question, grid_study.arms = "adaptation", {"baseline": grid_study.arms["baseline"]}
    grid_study.publish()
    assert find(grid_study.store, 6, "figure") == "digits-ours.baselines"


def test_figure_6_is_found_among_the_studies_of_a_module(grid_study: Any) -> None:
    arms = dict(grid_study.arms)
    arms["static-grid"].source = ""
    grid_study.question, grid_study.source = "", ""
    for name, arm in (("digits-ours", "baseline"), ("digits-static-grid", "static-grid")):
        grid_study.name, grid_study.arms = name, {"baseline": arms[arm]}
        grid_study.publish()
    assert find(grid_study.store, 6, "figure", study="studies.digits") == "digits"
    assert find(grid_study.store, 6, "figure") == "digits"


def test_without_a_static_grid_figure_6_says_what_to_run(study: Any) -> None:
    study.publish()
    with pytest.raises(ReportError, match=r"no results for figure 6: .*`dymu run ablations.baselines`"):
        find(study.store, 6, "figure")


PAPERS = {
    1: "baselines_pascal5",
    2: "baselines_pascal3",
    3: "baselines_nyuv2",
    4: "baselines_cifar100",
    5: "architectures_pascal3",
    6: "branching_regularizer",
    7: "architectures_pascal5",
    8: "preference_sampling",
}
STAND_INS = {number: "architectures" if number in (5, 7) else "baselines" for number in (1, 2, 3, 4, 5, 7)}


def ask(study: Any, question: str, source: str, *, name: str = "digits-ours", measured: bool = True) -> None:
    """Leave a manifest in the store, with records or without."""
    study.question, study.source, study.name = question, source, name
    cells = tuple((arm, seed) for arm in study.arms for seed in study.seeds)
    study.without = () if measured else cells
    study.publish()


def note(store: Store, number: int, study: str | None = None) -> str:
    return find_results(store, number=number, kind="table", study=study, question=None).note


@pytest.mark.parametrize(("number", "question"), PAPERS.items())
def test_each_table_has_its_question(study: Any, number: int, question: str) -> None:
    ask(study, question, f"Table {number}", name="paper-ours")
    assert find(study.store, number) == f"paper-ours.{question}"
    assert note(study.store, number) == ""


@pytest.mark.parametrize(("number", "question"), STAND_INS.items())
def test_a_stand_in_is_found_and_says_so(study: Any, number: int, question: str) -> None:
    ask(study, question, "Table 3")
    assert find(study.store, number) == f"digits-ours.{question}"
    assert f"Table {number} of the paper is the question ablations.{PAPERS[number]};" in note(
        study.store, number
    )
    assert "on digits-ours" in note(study.store, number)


def test_the_papers_own_question_goes_before_a_stand_in(study: Any) -> None:
    ask(study, "baselines", "Table 3")
    ask(study, "baselines_nyuv2", "Table 3", name="nyuv2-ours")
    assert find(study.store, 3) == "nyuv2-ours.baselines_nyuv2"
    assert find(study.store, 3, study="studies.digits:ours") == "digits-ours.baselines"


def test_what_was_measured_goes_before_what_was_not(study: Any) -> None:
    ask(study, "baselines_nyuv2", "Table 3", name="nyuv2-ours", measured=False)
    assert find(study.store, 3) == "nyuv2-ours.baselines_nyuv2"
    ask(study, "baselines_nyuv2_small", "Table 3", name="nyuv2-small")
    assert find(study.store, 3) == "nyuv2-small.baselines_nyuv2_small"


def test_a_part_of_a_table_does_not_stand_for_it(study: Any) -> None:
    ask(study, "adaptation", "Table 3")
    assert find(study.store, 3) == "digits-ours.adaptation"
    ask(study, "baselines", "Table 3")
    assert find(study.store, 3) == "digits-ours.baselines"


def test_of_several_stand_ins_the_user_chooses(study: Any) -> None:
    ask(study, "baselines", "Table 3")
    ask(study, "baselines_scenes", "Table 3", name="scenes-ours")
    choices = r"digits-ours\.baselines +--question baselines\n +scenes-ours.* +--question baselines_scenes"
    with pytest.raises(ReportError, match=rf"table 3 could be any of these[^\n]*\n +{choices}"):
        find(study.store, 3)
    assert find(study.store, 3, question="baselines_scenes") == "scenes-ours.baselines_scenes"
    assert find(study.store, 3, study="studies.scenes") == "scenes-ours.baselines_scenes"


def test_one_question_about_two_studies_is_chosen_by_study(study: Any) -> None:
    ask(study, "baselines", "Table 3")
    ask(study, "baselines", "Table 3", name="scenes-ours")
    with pytest.raises(ReportError, match=r"scenes-ours\.baselines +--study scenes-ours"):
        find(study.store, 3)


def test_a_single_study_has_any_table(study: Any) -> None:
    ask(study, "branching_regularizer", "Table 6")
    ask(study, "", "", name="digits-phn-bn")
    assert find(study.store, 3, study="studies.digits:phn_bn") == "digits-phn-bn"
    assert find(study.store, 7, study="digits-phn-bn") == "digits-phn-bn"


@pytest.mark.parametrize("number", PAPERS)
def test_an_empty_store_names_the_question_of_each_table(store: Store, number: int) -> None:
    smaller = (
        f", or on generated images `dymu run ablations.{STAND_INS[number]}`" if number in STAND_INS else ""
    )
    with pytest.raises(ReportError, match=f"`dymu run ablations.{PAPERS[number]}`{smaller}"):
        find(store, number)


@pytest.mark.parametrize("number", [13, 14])
def test_trade_offs_are_of_the_question_that_evaluates_pairs(study: Any, number: int) -> None:
    study.arms["no-affinity"].source = "Figure 6"
    ask(study, "baselines", "Table 3")
    assert find(study.store, number, "figure") == "digits-ours.baselines"
    ask(study, "trade_off_scenes", "Figures 13 and 14", name="scenes-ours", measured=False)
    assert find(study.store, number, "figure") == "digits-ours.baselines"
    ask(study, "trade_off_scenes", "Figures 13 and 14", name="scenes-ours")
    assert find(study.store, number, "figure") == "scenes-ours.trade_off_scenes"
    assert find(study.store, number, "figure", study="studies.digits:ours") == "digits-ours.baselines"


def test_without_anything_trade_offs_say_what_to_run(study: Any) -> None:
    ask(study, "adaptation", "Table 3")
    with pytest.raises(ReportError, match=r"no results for figure 13: .*`dymu run ablations.trade_off`"):
        find(study.store, 13, "figure")


def test_a_question_about_pairs_makes_no_other_figure_ambiguous(study: Any) -> None:
    ask(study, "trade_off", "Figures 13 and 14")
    assert find(study.store, 5, "figure") == "digits-ours.trade_off"
    ask(study, "baselines", "Table 3")
    assert find(study.store, 5, "figure") == "digits-ours.baselines"
