"""What may share a table: the same data, protocol, revisions and steps, unless an arm declares a change."""

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dymu.artifacts.record import Record
from dymu.reports.collect import Results
from dymu.reports.comparable import budgets, mixtures, protocol_of
from dymu.spec.evaluation import EvaluationConfig

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


def with_dataset(results: Results, **fields: Any) -> Results:
    """All records with the config of a dataset in their edge stage, one of them with other fields."""
    usual: dict[str, Any] = {"type": "dymu.data.digits.Digits", "parity_weight": 3.0}

    def of(dataset: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
        return lambda form: form.update(config={"dataset": dataset})

    records = {cell: with_forms(record, of(usual)) for cell, record in results.records.items()}
    return replace(results, records={**records, CELL: with_forms(records[CELL], of({**usual, **fields}))})


def test_what_scales_losses_is_found_although_images_are_the_same(results: Results) -> None:
    assert found(with_dataset(results)) == []
    assert found(with_dataset(results, parity_weight=1.0)) == ["dataset.parity_weight"]


@pytest.mark.parametrize("path", ["dataset", "dataset.parity_weight", "dataset.parity_weight.at[0]"])
def test_an_arm_may_declare_other_data(results: Results, path: str) -> None:
    assert found(with_dataset(results, parity_weight=1.0), **{path: "x"}) == []


def with_protocol(results: Results, **fields: Any) -> Results:
    def change(record: Record) -> Record:
        config = copy.deepcopy(dict(record.config))
        config[record.address]["config"]["protocol"].update(fields)
        return replace(record, config=config)

    return replace(results, records={**results.records, CELL: change(results.records[CELL])})


def test_a_field_that_forms_leave_out_has_a_value_all_the_same(results: Results) -> None:
    assert found(with_protocol(results, order="shuffled")) == ["evaluation.order"]
    assert found(with_protocol(results, order="as_listed")) == []


def test_preferences_of_pairs_enter_no_value(results: Results) -> None:
    assert found(with_protocol(results, pair_preferences=11)) == []


def test_each_field_that_forms_may_leave_out_is_thought_of() -> None:
    left_out = {
        field.name: field.metadata["absent_means"]
        for field in dataclasses.fields(EvaluationConfig)
        if "absent_means" in field.metadata
    }
    assert left_out == {"order": "as_listed", "pair_preferences": 0, "pairs": ()}
