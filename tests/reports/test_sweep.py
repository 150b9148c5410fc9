from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dymu.artifacts.record import Record
from dymu.errors import ReportError
from dymu.reports.collect import Results, results_of
from dymu.reports.sweep import has_sweep, series_of, sweep_of

PATH = "method.edge.active_threshold"


def with_threshold(_: str, __: int, record: Record) -> Record:
    """The baseline's threshold is 0.2; other numbers of that name belong to other stages."""
    config = {
        address: {**form, "config": {"nested": {"active_threshold": 0.2 if form["stage"] == "edge" else 9}}}
        for address, form in record.config.items()
        if form["stage"] != "evaluate"
    }
    return replace(record, config={**record.config, **config})


@pytest.fixture
def swept(study: Any, other_arm: Callable[..., Any]) -> Any:
    study.arms = {"baseline": other_arm("Ours")}
    for value in (0.5, 0.1):
        study.arms[f"threshold-{value}"] = other_arm(f"{value}", changes={PATH: value}, volume=20 * value)
    return study


def test_arms_stand_by_the_number_in_which_they_differ(swept: Any) -> None:
    swept.publish(with_threshold)
    results = results_of(swept.store, swept.manifest)
    sweep = sweep_of(results)
    assert sweep.settings == {"threshold-0.1": 0.1, "baseline": 0.2, "threshold-0.5": 0.5}
    assert list(sweep.settings) == ["threshold-0.1", "baseline", "threshold-0.5"]
    assert sweep.name == "active threshold"
    assert has_sweep(results)


def test_a_series_has_the_values_of_all_seeds_for_each_c(swept: Any) -> None:
    swept.publish(with_threshold)
    results = results_of(swept.store, swept.manifest)
    first, second = series_of(results, sweep_of(results), "hypervolume")
    assert (first.c, second.c) == (0.0, 1.0)
    assert first.settings == (0.1, 0.2, 0.5)
    assert first.by_seed[0] == results.values("threshold-0.1", "hypervolume/c=0")
    assert first.by_seed[2] == pytest.approx({0: 9.7, 1: 10.0, 2: 10.3})


def test_a_baseline_without_a_record_has_no_number(swept: Any) -> None:
    swept.without = tuple(("baseline", seed) for seed in swept.seeds)
    swept.publish(with_threshold)
    sweep = sweep_of(results_of(swept.store, swept.manifest))
    assert sweep.left_out == ("baseline",)
    assert list(sweep.settings) == ["threshold-0.1", "threshold-0.5"]


def test_two_entries_of_one_number_are_one_sweep(swept: Any) -> None:
    for arm in swept.arms.values():
        arm.changes = {**arm.changes, **{f"{path}_too": value for path, value in arm.changes.items()}}
    swept.publish(with_threshold)
    assert has_sweep(results_of(swept.store, swept.manifest))


@pytest.mark.parametrize("changes", [{"method.edge.use_affinity": False}, {PATH: 0.3, "method.edge.x": 0.4}])
def test_other_changes_are_no_sweep(swept: Any, changes: dict[str, Any]) -> None:
    swept.arms["threshold-0.5"].changes = changes
    swept.publish(with_threshold)
    results = results_of(swept.store, swept.manifest)
    assert not has_sweep(results)
    with pytest.raises(
        ReportError, match=r"do not differ in one number.*`dymu run ablations.active_threshold`"
    ):
        sweep_of(results)


def test_a_question_without_changes_is_no_sweep(results: Results) -> None:
    assert not has_sweep(results)
