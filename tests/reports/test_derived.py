from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dymu.artifacts.record import Point, Record, Value
from dymu.metrics.hypervolume import hypervolume
from dymu.reports.collect import Results, results_of
from dymu.reports.derived import (
    average_over_tasks,
    derived_values,
    other_hypervolumes,
    with_derived,
)

PASCAL3 = ("segmentation", "parts", "saliency")
TWENTY = tuple(f"group_{number:02d}" for number in range(20))


def twenty(study: Any) -> Results:
    """Records of twenty tasks with errors around .21, as in Table 4."""
    study.tasks = TWENTY

    def change(_: str, seed: int, record: Record) -> Record:
        accuracy = 1 - np.random.default_rng(seed).uniform(0.15, 0.27, size=(20, 20))
        metrics = {f"{task}/accuracy": accuracy[:, i].tolist() for i, task in enumerate(TWENTY)}
        means = {
            f"task/{task}/accuracy/c={c}": Value(value=float(accuracy[:, i].mean()), higher_is_better=True)
            for i, task in enumerate(TWENTY)
            for c in (0, 1)
        }
        points = tuple(replace(point, task_metrics=metrics) for point in record.points)
        return replace(record, points=points, values={**record.values, **means})

    study.publish(change)
    found: Results = results_of(study.store, study.manifest)
    return found


def test_the_two_reference_points_of_table_2_come_from_one_record(study: Any) -> None:
    study.tasks = PASCAL3
    study.publish()
    results = results_of(study.store, study.manifest)
    other, *_ = other_hypervolumes(results, "baseline")
    record = results.of("baseline")[1]
    losses = np.array(record.points[1].losses)
    assert other.reference_point == (2.0, 2.0, 2.0)
    assert (
        other.values[1.0][1] == hypervolume(losses, (2, 2, 2)) < hypervolume(losses, record.reference_point)
    )
    assert other.best_points[1.0][1] <= other.values[1.0][1]
    assert 0 <= other.outside <= 1
    assert other.reference.doubtful(record)


def test_errors_of_twenty_tasks_span_a_volume_like_the_printed_one(study: Any) -> None:
    results = twenty(study)
    (other,) = other_hypervolumes(results, "baseline")
    assert other.reference.name == "error_hypervolume"
    assert other.reference_point == (1.0,) * 20
    assert 0.005 < other.values[0.0][0] < 0.05
    assert other.reference.doubtful(results.of("baseline")[0])
    assert other.outside == 0


def test_derived_values_have_names_directions_and_ranges(results: Results) -> None:
    record = results.of("baseline")[0]
    found = derived_values(record)
    assert set(found) == {
        f"{n}/c={c}" for n in ("error_hypervolume", "uniformity_above_floor") for c in (0, 1)
    }
    above = found["uniformity_above_floor/c=0"]
    assert above.value == pytest.approx(record.values["uniformity/c=0"].value - 0.735)
    assert (found["error_hypervolume/c=0"].lower, found["error_hypervolume/c=0"].upper) == (0.0, 1.0)


def test_results_with_derived_values_keep_what_was_measured(results: Results) -> None:
    more = with_derived(results)
    assert set(more.values("no-affinity", "uniformity_above_floor/c=1")) == {0, 1, 2}
    assert more.values("baseline", "hypervolume/c=0") == results.values("baseline", "hypervolume/c=0")
    assert "error_hypervolume/c=0" in more.infos


def test_a_record_without_a_floor_or_accuracies_has_no_such_values(results: Results) -> None:
    record = results.of("baseline")[0]
    bare = Point(resource_preference=None, preferences=[[1.0]], losses=[[1.0]], task_metrics={})
    assert derived_values(replace(record, values={}, points=(bare,))) == {}


def test_other_reference_points_need_records(study: Any) -> None:
    study.without = tuple(("baseline", seed) for seed in study.seeds)
    study.publish()
    assert other_hypervolumes(results_of(study.store, study.manifest), "baseline") == ()


def test_tasks_that_share_a_metric_are_averaged(study: Any) -> None:
    study.seeds = tuple(range(8))
    results = twenty(study)
    found = average_over_tasks(results, "baseline", 0.0)
    assert found is not None
    assert (found.seeds, found.tasks) == (8, 20)
    assert found.value == pytest.approx(0.79, abs=0.01)
    assert found.interval is not None
    assert average_over_tasks(results, "baseline", 0.5) is None


def test_tasks_with_different_metrics_have_no_average(results: Results) -> None:
    assert average_over_tasks(results, "baseline", 0.0) is None
