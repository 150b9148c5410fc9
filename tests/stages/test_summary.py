"""From measurements to named values."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dymu.artifacts.record import Record
from dymu.metrics.correlation import entropy, spearman
from dymu.metrics.hypervolume import best_point_hypervolume, hypervolume
from dymu.metrics.uniformity import floor_at, uniformity
from dymu.spec.study import Study, override
from dymu.stages.evaluation_preferences import cost_preferences, evaluation_preferences, pair_preferences

RecordOf = Callable[[Study], Record]

TASKS = ("left", "right", "parity")
BARE = {"anchor_parameters", "control_parameters", "uniformity_floor"}
ALWAYS = {
    "hypervolume",
    "best_point_hypervolume",
    "uniformity",
    "active_parameters",
    "active_parameter_fraction",
    "active_macs",
    "dense_active_parameters",
    "skewed_active_parameters",
    *(f"loss/{task}" for task in TASKS),
    *(f"task/{task}/accuracy" for task in TASKS),
}
IF_DEFINED = {
    "entropy_cost_correlation",
    "distinct_trees",
    *(f"preference_loss_correlation/{task}" for task in TASKS),
}


@pytest.fixture
def record(study: Study, record_of: RecordOf) -> Record:
    """Of the paper's method."""
    return record_of(study)


@pytest.fixture
def single(study_of: Callable[[str], Study], record_of: RecordOf) -> Record:
    """Of single-task nets."""
    return record_of(study_of("single_task"))


def test_values_of_the_papers_method_end_in_their_resource_preference(record: Record) -> None:
    for c in ("0", "1"):
        found = {name.removesuffix(f"/c={c}") for name in record.values if name.endswith(f"/c={c}")}
        assert ALWAYS | {"distinct_trees"} <= found <= ALWAYS | IF_DEFINED
    assert {name for name in record.values if "/c=" not in name} == BARE


@pytest.mark.parametrize("method", ["single_task", "static_grid", "phn_bn", "frozen_phn_bn"])
def test_values_of_other_methods_have_bare_names(
    method: str, study_of: Callable[[str], Study], record_of: RecordOf
) -> None:
    found = record_of(study_of(method))
    assert ALWAYS | BARE <= set(found.values) <= ALWAYS | BARE | (IF_DEFINED - {"distinct_trees"})
    assert [point.resource_preference for point in found.points] == [None]


def test_a_resource_preference_is_named_shortly(study: Study, record_of: RecordOf) -> None:
    found = record_of(override(study, "evaluation.resource_preferences", (0.25, 1.0)))
    assert "hypervolume/c=0.25" in found.values
    assert "hypervolume/c=1" in found.values


@pytest.mark.parametrize("number", [0, 1])
def test_values_are_those_of_the_measurements(record: Record, number: int) -> None:
    point = record.points[number]
    losses, preferences = np.array(point.losses), np.array(point.preferences)
    cost = np.array(point.cost_parameters)
    largest = np.array(point.cost_preferences).max(axis=1)
    expected = {
        "hypervolume": hypervolume(losses, record.reference_point),
        "best_point_hypervolume": best_point_hypervolume(losses, record.reference_point),
        "uniformity": uniformity(losses, preferences).mean(),
        "active_parameters": cost.mean(),
        "active_parameter_fraction": cost.mean() / record.anchor_parameters,
        "active_macs": np.mean(point.cost_macs),
        "dense_active_parameters": cost[largest < 0.6].mean(),
        "skewed_active_parameters": cost[largest >= 0.8].mean(),
        "distinct_trees": len({str(tree) for tree in point.parents}),
        **{f"loss/{task}": losses[:, n].mean() for n, task in enumerate(TASKS)},
        **{f"task/{task}/accuracy": np.mean(point.task_metrics[f"{task}/accuracy"]) for task in TASKS},
    }
    for name, value in expected.items():
        assert record.values[f"{name}/c={number}"].value == pytest.approx(value, rel=1e-12), name


@pytest.mark.parametrize("number", [0, 1])
def test_correlations_are_there_where_they_are_defined(record: Record, number: int) -> None:
    point = record.points[number]
    losses, preferences = np.array(point.losses), np.array(point.preferences)
    defined = {
        f"preference_loss_correlation/{task}": spearman(preferences[:, n], losses[:, n])
        for n, task in enumerate(TASKS)
    }
    defined["entropy_cost_correlation"] = spearman(entropy(point.cost_preferences), point.cost_parameters)
    for name, value in defined.items():
        found = record.values.get(f"{name}/c={number}")
        assert (found.value if found else None) == value


def test_a_constant_cost_and_constant_losses_have_no_correlation(single: Record) -> None:
    assert not IF_DEFINED & set(single.values)


def test_the_floor_of_uniformity_is_that_of_these_preferences(record: Record) -> None:
    floor = record.values["uniformity_floor"]
    assert floor.value == pytest.approx(floor_at(record.points[0].preferences))
    assert floor.higher_is_better is None


def test_directions_and_ranges_are_told(record: Record) -> None:
    assert record.values["hypervolume/c=0"].higher_is_better is True
    assert record.values["hypervolume/c=0"].upper == 4.0**3
    assert record.values["loss/left/c=0"].higher_is_better is False
    assert record.values["active_parameters/c=0"].unit == "parameters"
    assert record.values["uniformity/c=0"].lower == pytest.approx(1 - np.log(3))


def test_every_resource_preference_has_a_point(record: Record, study: Study) -> None:
    assert [point.resource_preference for point in record.points] == [0.0, 1.0]
    for point in record.points:
        assert np.shape(point.losses) == np.shape(point.preferences) == (5, 3)
        assert np.shape(point.parents) == (5, 3, 3)
        assert np.shape(point.parameters) == np.shape(point.macs) == (5,)
        assert np.shape(point.cost_preferences) == (study.evaluation.num_cost_preferences, 3)
        assert np.shape(point.cost_parameters) == np.shape(point.cost_macs) == (30,)
        assert all(np.shape(values) == (5,) for values in point.task_metrics.values())


def test_preferences_are_the_protocols_whatever_the_method_and_seed(
    study: Study, record: Record, single: Record
) -> None:
    rows = evaluation_preferences(study.evaluation, num_tasks=3).tolist()
    cost_rows = cost_preferences(study.evaluation, num_tasks=3).tolist()
    for point in (*record.points, *single.points):
        assert point.preferences == rows
        assert point.cost_preferences == cost_rows


def test_the_record_says_what_was_measured(record: Record, study: Study) -> None:
    step = study.evaluation_step(0)
    assert (record.address, record.seed, record.method) == (step.address, 0, "controllable")
    assert record.tasks == TASKS
    assert record.reference_point == (4.0, 4.0, 4.0)
    assert set(record.config) == {below.address for below in step.closure()}
    assert record.config[step.address]["stage"] == "evaluate"
    assert len(record.data_digest) == 16


def test_losses_are_rounded_below_the_noise_of_single_precision(record: Record) -> None:
    losses = np.array(record.points[0].losses)
    np.testing.assert_array_equal(losses, losses.round(7))


@pytest.mark.parametrize("method", ["controllable", "phn_bn", "static_grid"])
def test_pairs_of_tasks_are_measured_and_nothing_else_moves(
    method: str, study_of: Callable[[str], Study], record_of: RecordOf
) -> None:
    plain = study_of(method)
    paired = override(plain, "evaluation.pair_preferences", 3)
    before, after = record_of(plain), record_of(paired)
    assert after.values == before.values
    for old, new in zip(before.points, after.points, strict=True):
        assert np.array_equal(new.pair_preferences, pair_preferences(paired.evaluation, tasks=TASKS))
        assert np.shape(new.pair_losses) == (6, 3)
        assert replace(new, pair_preferences=[], pair_losses=[]) == old


def test_losses_of_pairs_are_those_at_their_preferences(study: Study, record_of: RecordOf) -> None:
    point = record_of(override(study, "evaluation.pair_preferences", 5)).points[0]
    coarse = record_of(override(study, "evaluation.pair_preferences", 3)).points[0]
    rows = [point.pair_preferences.index(row) for row in coarse.pair_preferences]
    assert rows != list(range(6))
    np.testing.assert_allclose(np.array(point.pair_losses)[rows], coarse.pair_losses, atol=1e-6)


@pytest.mark.parametrize("method", ["single_task", "retrained"])
def test_a_method_that_ignores_preferences_has_no_pairs(
    method: str, study_of: Callable[[str], Study], record_of: RecordOf
) -> None:
    found = record_of(override(study_of(method), "evaluation.pair_preferences", 3))
    assert [point.pair_losses for point in found.points] == [[]]
