from dataclasses import replace
from typing import Any, get_args

import pytest

from dymu.artifacts.record import Record, Value
from dymu.reports.checks import (
    CONTROLLER,
    FRUGAL,
    RETRAINED,
    Amount,
    Case,
    Check,
    Margins,
    as_printed,
    both_ends,
    drops_more,
    exceeds,
    frugal,
    least,
    no_more_than,
    only_if,
    rich,
    within,
)
from dymu.reports.collect import results_of
from dymu.reports.paper_claims import CHECKS
from dymu.stages.evaluate import MethodName

PLAIN = "no-affinity"


@pytest.fixture
def case(study: Any) -> Case:
    study.publish()
    return Case(results=results_of(study.store, study.manifest), store=study.store)


def margins(measured: Margins | str) -> list[float]:
    assert isinstance(measured, Margins)
    return list(measured.by_seed.values())


def test_an_amount_is_a_value_at_an_end_of_c(case: Case) -> None:
    assert rich("hypervolume").key(case) == "hypervolume/c=0"
    assert frugal("hypervolume").measured(case) == case.results.values("baseline", "hypervolume/c=1")
    assert rich("hypervolume").printed(case) == 13.43
    assert rich("hypervolume", PLAIN).printed(case) is None


def test_an_amount_without_c_has_its_bare_name(study: Any, other_arm: Any) -> None:
    study.arms["single-task"] = other_arm("Single-Task", resources=(None,))
    study.publish()
    case = Case(results=results_of(study.store, study.manifest), store=study.store)
    assert frugal("hypervolume", "single-task").key(case) == "hypervolume"
    floor = Amount(metric="uniformity_floor", bare=True)
    assert set(floor.measured(case).values()) == {0.735}


def test_delta_t_of_other_methods_follows_from_the_single_task_nets(study: Any, other_arm: Any) -> None:
    study.arms = {name: other_arm(name, resources=(None,)) for name in ("baseline", "single-task")}

    def tasks(arm: str, _: int, record: Record) -> Record:
        accuracy = 0.8 if arm == "single-task" else 0.88
        more = {f"task/{t}/accuracy": Value(value=accuracy, higher_is_better=True) for t in record.tasks}
        method = "single_task" if arm == "single-task" else "ltb"
        return replace(record, method=method, values={**record.values, **more})

    study.publish(tasks)
    case = Case(results=results_of(study.store, study.manifest), store=study.store)
    assert rich("relative_drop").measured(case) == pytest.approx({0: 10.0, 1: 10.0, 2: 10.0})


def test_margins_are_oriented_and_paired_by_seed(case: Case) -> None:
    assert margins(exceeds(rich("hypervolume"), rich("hypervolume", PLAIN))(case)) == pytest.approx([7] * 3)
    relative = exceeds(rich("uniformity"), 0.6, relative=True)(case)
    assert margins(relative)[1] == pytest.approx(0.78 / 0.6 - 1)


def test_the_papers_margin_stands_beside(case: Case) -> None:
    found = exceeds(rich("hypervolume"), frugal("hypervolume"))(case)
    assert isinstance(found, Margins)
    assert found.paper == pytest.approx(0.35)


def test_a_claim_that_the_printed_values_contradict_does_not_apply(case: Case) -> None:
    assert exceeds(frugal("hypervolume"), rich("hypervolume"))(case) == (
        "the paper prints 13.08 and 13.43 for this setting"
    )


def test_a_printed_tie_fits_only_a_claim_that_allows_it(study: Any) -> None:
    study.arms["baseline"].paper = {"hypervolume/c=0": 4.0, "hypervolume/c=1": 4.0}
    study.publish()
    case = Case(results=results_of(study.store, study.manifest), store=study.store)
    pair = (rich("hypervolume"), frugal("hypervolume"))
    assert isinstance(exceeds(*pair)(case), str)
    assert margins(exceeds(*pair, ties=True)(case)) == pytest.approx([2, 2, 2])
    assert as_printed(*pair)(case) == "the paper prints 4 and 4, a tie"


def test_the_side_is_the_printed_one(study: Any) -> None:
    study.arms[PLAIN].paper = {"hypervolume/c=0": 20.0}
    study.publish()
    case = Case(results=results_of(study.store, study.manifest), store=study.store)
    found = as_printed(rich("hypervolume"), rich("hypervolume", PLAIN))(case)
    assert margins(found) == pytest.approx([-7] * 3)  # above, where the paper's is below
    assert isinstance(found, Margins)
    assert found.paper == pytest.approx(20 - 13.43)


def test_without_printed_values_there_is_no_printed_side(case: Case) -> None:
    assert "prints no such values" in str(as_printed(rich("hypervolume"), rich("hypervolume", PLAIN))(case))


def test_within_leaves_what_remains_of_the_tolerance(case: Case) -> None:
    found = within(frugal("hypervolume"), rich("hypervolume"), tolerance=0.2)(case)
    assert margins(found)[1] == pytest.approx(0.2 - 2 / 16)


def test_no_more_than_has_one_side_only(case: Case) -> None:
    cost = "active_parameters"
    more = no_more_than(rich(cost), frugal(cost), tolerance=0.05)(case)
    less = no_more_than(frugal(cost), rich(cost), tolerance=0.05)(case)
    assert all(margin < 0 for margin in margins(more))
    assert all(margin > 0.05 for margin in margins(less))
    assert isinstance(more, Margins)
    assert more.paper == pytest.approx(0.05 - (41.06 / 34.68 - 1))


def test_the_fall_from_one_end_to_the_other_is_compared(case: Case) -> None:
    found = drops_more("baseline", PLAIN, "active_parameters")(case)
    assert all(margin > 0 for margin in margins(found))
    assert margins(drops_more("baseline", PLAIN, "hypervolume")(case)) == pytest.approx([0, 0, 0], abs=1e-9)


def test_the_least_favourable_of_several_counts(case: Case) -> None:
    high, low = exceeds(rich("uniformity"), 0.0), exceeds(rich("uniformity"), 0.7)
    assert margins(least(high, low)(case)) == margins(low(case))
    assert least(high, lambda _: "not here")(case) == "not here"


def test_a_measure_may_be_for_some_studies_only(case: Case) -> None:
    measure = exceeds(rich("uniformity"), 0.0)
    assert only_if(lambda _: False, "elsewhere", measure)(case) == "elsewhere"
    assert isinstance(only_if(lambda _: True, "elsewhere", measure)(case), Margins)


def test_two_ends_need_two_resource_preferences(study: Any) -> None:
    study.arms["baseline"].resources = (0.0,)
    study.publish()
    case = Case(results=results_of(study.store, study.manifest), store=study.store)
    assert both_ends(exceeds(rich("uniformity"), 0.0))(case) == "only one resource preference was measured"
    assert case.resource("baseline", FRUGAL) == 0.0


def test_a_check_without_a_measure_has_no_margins(case: Case) -> None:
    assert Check(name="G0", text="", source="", reason="why").measure(case) == Margins(by_seed={})


def test_methods_are_named_as_evaluations_name_them() -> None:
    assert {CONTROLLER, RETRAINED} | {check.method for check in CHECKS} <= set(get_args(MethodName))
