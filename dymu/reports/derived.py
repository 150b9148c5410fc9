"""Values that follow from a record's own measurements and are not written in it.

- Hypervolume at other reference points, where the printed one is doubtful (docs/protocol.md, nos. 49, 50):
  Table 2 cannot have been computed with its reference point (3, 3, 3), since with five tasks at the same
  reference no hypervolume could exceed nine times that of three of them, but Table 1 prints nineteen times as
  much; (2, 2, 2) fits. The values of Table 4 fit shares of wrong answers with reference 1 and not
  cross-entropies.
- The interquartile mean of a metric over tasks that share it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dymu.artifacts.record import Point, Record
from dymu.metrics.hypervolume import best_point_hypervolume, hypervolume
from dymu.reports.collect import Results
from dymu.reports.intervals import Aggregate, across_tasks

Floats = NDArray[np.float64]

_PASCAL3 = ("segmentation", "parts", "saliency")
_ACCURACY = "accuracy"
# Nets that a single-task method trains one by one, so that its tasks vary by themselves.
_ONE_BY_ONE = ("single_task",)


@dataclass(frozen=True, kw_only=True)
class OtherReference:
    """A way to take the hypervolume that is not the record's.

    Attributes:
        name: Of the record value, without its resource preference.
        title: As a column's title.
        coordinate: Every coordinate of the reference point.
        reason: Why it stands beside the printed one.
        points: (S, N) numbers to be minimised at one resource preference; ``None`` where there are none.
        doubtful: Whether the paper's own reference point or loss space is in doubt for this record.
    """

    name: str
    title: str
    coordinate: float
    reason: str
    points: Callable[[Record, Point], Floats | None]
    doubtful: Callable[[Record], bool]


@dataclass(frozen=True, kw_only=True)
class OtherHypervolume:
    """Hypervolumes of one arm in another way.

    Attributes:
        reference: Which way.
        reference_point: Its upper corner.
        values: Resource preference (``None`` for a method that has none) to seed to hypervolume.
        best_points: The same for the best single point.
        outside: Share of the points that are not below the reference point and span no volume.
    """

    reference: OtherReference
    reference_point: tuple[float, ...]
    values: Mapping[float | None, Mapping[int, float]]
    best_points: Mapping[float | None, Mapping[int, float]]
    outside: float


def _pascal3_losses(record: Record, point: Point) -> Floats | None:
    return np.asarray(point.losses, dtype=np.float64) if record.tasks == _PASCAL3 else None


def _errors(record: Record, point: Point) -> Floats | None:
    names = [f"{task}/{_ACCURACY}" for task in record.tasks]
    if not all(name in point.task_metrics for name in names):
        return None
    return 1 - np.array([point.task_metrics[name] for name in names], dtype=np.float64).T


OTHER_REFERENCES = (
    OtherReference(
        name="hypervolume_at_2",
        title="HV at 2",
        coordinate=2.0,
        reason="(2, 2, 2) fits what Tables 1, 2 and 7 print together, the printed (3, 3, 3) does not",
        points=_pascal3_losses,
        doubtful=lambda record: record.tasks == _PASCAL3,
    ),
    OtherReference(
        name="error_hypervolume",
        title="HV of errors",
        coordinate=1.0,
        reason="shares of wrong answers with reference 1 fit what Table 4 prints, cross-entropies do not",
        points=_errors,
        doubtful=lambda record: len(record.tasks) == 20,
    ),
)


def other_hypervolumes(results: Results, arm: str) -> tuple[OtherHypervolume, ...]:
    """Hypervolumes of an arm at all other reference points that make sense for its records.

    ``reference.doubtful`` says of a record whether the paper's own value is in doubt, so that both belong in
    a table. Twenty points in twenty dimensions take 0.02 s each.
    """
    records = results.of(arm)
    return tuple(found for reference in OTHER_REFERENCES if (found := _other(reference, records)) is not None)


def shared_metric(results: Results) -> str | None:
    """The metric that all tasks are judged by, such as ``accuracy``; ``None`` if there are several."""
    found = {
        tuple(sorted({name.split("/")[2] for name in results.infos if name.startswith(f"task/{task}/")}))
        for task in results.tasks
    }
    names = {name for metrics in found for name in metrics}
    return names.pop() if len(names) == 1 and len(found) == 1 else None


def task_scores(results: Results, arm: str, c: float | None) -> dict[int, list[float]]:
    """Seed to the metric of each task at a resource preference; only seeds that have it of all tasks.

    Nothing where tasks are judged by different metrics.
    """
    metric, suffix = shared_metric(results), "" if c is None else f"/c={c:g}"
    names = [f"task/{task}/{metric}{suffix}" for task in results.tasks] if metric is not None else []
    records = results.of(arm).items() if names else ()
    return {
        seed: [record.values[name].value for name in names]
        for seed, record in records
        if all(name in record.values for name in names)
    }


def average_over_tasks(results: Results, arm: str, c: float | None) -> Aggregate | None:
    """Interquartile mean over tasks and seeds of the metric that all tasks share.

    Its interval draws whole seeds, but for single-task nets the seeds of each task.

    Returns:
        ``None`` if tasks are judged by different metrics, or without records at this resource preference.
    """
    rows = list(task_scores(results, arm, c).values())
    if not rows:
        return None
    one_by_one = all(record.method in _ONE_BY_ONE for record in results.of(arm).values())
    return across_tasks(rows, runs="per_task" if one_by_one else "joint")


def _other(reference: OtherReference, records: Mapping[int, Record]) -> OtherHypervolume | None:
    values: dict[float | None, dict[int, float]] = {}
    best: dict[float | None, dict[int, float]] = {}
    corner: tuple[float, ...] = ()
    inside, count = 0, 0
    for seed, record in records.items():
        corner = (reference.coordinate,) * len(record.tasks)
        for point in record.points:
            points_SN = reference.points(record, point)
            if points_SN is None:
                return None
            c = point.resource_preference
            values.setdefault(c, {})[seed] = hypervolume(points_SN, corner)
            best.setdefault(c, {})[seed] = best_point_hypervolume(points_SN, corner)
            inside += int((points_SN < reference.coordinate).all(axis=1).sum())
            count += len(points_SN)
    if not count:
        return None
    return OtherHypervolume(
        reference=reference,
        reference_point=corner,
        values=values,
        best_points=best,
        outside=1 - inside / count,
    )
