from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dymu.artifacts.record import Record, Value
from dymu.metrics.hypervolume import hypervolume
from dymu.reports.collect import Results, results_of
from dymu.reports.derived import (
    average_over_tasks,
    other_hypervolumes,
    shared_metric,
    task_scores,
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


def test_scores_of_tasks_are_listed_by_seed(study: Any) -> None:
    results = twenty(study)
    assert shared_metric(results) == "accuracy"
    scores = task_scores(results, "baseline", 1.0)
    assert set(scores) == {0, 1, 2}
    assert scores[1][3] == results.of("baseline")[1].values["task/group_03/accuracy/c=1"].value


def test_tasks_with_different_metrics_have_no_average(results: Results) -> None:
    assert average_over_tasks(results, "baseline", 0.0) is None
