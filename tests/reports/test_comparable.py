"""What may share a table: the same data, protocol, revisions and steps, unless an arm declares a change."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dymu.artifacts.record import Record
from dymu.reports.collect import Results
from dymu.reports.comparable import budgets, mixtures, protocol_of

CELL = ("no-affinity", 1)
STEPS = "the number of training steps of controllable, edge: optimisation.num_steps"


def with_forms(record: Record, change: Callable[[dict[str, Any]], None]) -> Record:
    config = copy.deepcopy(dict(record.config))
    change(next(form for form in config.values() if form["stage"] == "edge"))
    return replace(record, config=config)


def trained(steps: int) -> Callable[[dict[str, Any]], None]:
    return lambda form: form.update(config={"optimisation": {"num_steps": steps}})


def found(results: Results, **changes: Any) -> list[str]:
    arms = {arm.name: arm for arm in results.arms}
    if changes:
        arms[CELL[0]] = replace(arms[CELL[0]], changes=changes)
    return [mixture.what for mixture in mixtures(results.records, arms)]


def differing(results: Results, change: Callable[[dict[str, Any]], None]) -> Results:
    usual = {cell: with_forms(record, trained(900)) for cell, record in results.records.items()}
    return replace(results, records={**usual, CELL: with_forms(usual[CELL], change)})


def test_records_of_one_study_do_not_differ(results: Results) -> None:
    assert found(differing(results, trained(900))) == []


def test_another_number_of_steps_is_found_with_who_has_it(results: Results) -> None:
    changed = differing(results, trained(400))
    assert found(changed) == [STEPS]
    (mixture,) = mixtures(changed.records, {arm.name: arm for arm in results.arms})
    assert [value for value, _ in mixture.sides] == [900, 400]
    assert mixture.sides[1][1] == (CELL,)


@pytest.mark.parametrize("path", ["method", "method.edge", "method.edge.optimisation.num_steps"])
def test_an_arm_may_declare_its_number_of_steps(results: Results, path: str) -> None:
    assert found(differing(results, trained(400)), **{path: "x"}) == []


@pytest.mark.parametrize("path", ["method.weight", "method.edge.active_threshold", "evaluation.statistics"])
def test_a_change_of_something_else_does_not_declare_it(results: Results, path: str) -> None:
    assert found(differing(results, trained(400)), **{path: "x"}) == [STEPS]


def test_methods_have_numbers_of_steps_of_their_own(results: Results) -> None:
    changed = differing(results, trained(400))
    other = replace(changed.records[CELL], method="phn_bn")
    assert found(replace(changed, records={**changed.records, CELL: other})) == []


def test_another_revision_of_a_stage_is_found_whatever_is_declared(results: Results) -> None:
    def raise_revision(form: dict[str, Any]) -> None:
        trained(900)(form)
        form["revision"] = 2

    changed = differing(results, raise_revision)
    usual = {
        cell: with_forms(record, lambda form: form.update(revision=1))
        for cell, record in changed.records.items()
        if cell != CELL
    }
    changed = replace(changed, records={**usual, CELL: changed.records[CELL]})
    assert found(changed, method="x") == ["the revision of stage edge"]


def test_budgets_are_found_wherever_they_stand_in_a_config(results: Results) -> None:
    record = with_forms(
        results.records[CELL], lambda form: form.update(config={"recipe": {"optimisation": {"num_steps": 7}}})
    )
    assert budgets(record) == {"edge: recipe.optimisation.num_steps": 7}


def test_the_protocol_is_found_in_the_config_of_a_record(results: Results) -> None:
    record = results.records["baseline", 0]
    assert protocol_of(record)["num_preferences"] == 20
