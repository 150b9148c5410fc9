"""Values that follow from a record's own measurements and are not written in it.

- Hypervolume at other reference points, where the printed one is doubtful (docs/protocol.md, nos. 49, 50):
  Table 2 cannot have been computed with its reference point (3, 3, 3), since with five tasks at the same
  reference no hypervolume could exceed nine times that of three of them, but Table 1 prints nineteen times as
  much; (2, 2, 2) fits. The values of Table 4 fit shares of wrong answers with reference 1 and not
  cross-entropies.
- Uniformity above that of a model with equal losses that ignores the preference, at the same preferences.
- The interquartile mean of a metric over tasks that share it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dymu.artifacts.record import Point, Record, Value
from dymu.metrics.hypervolume import best_point_hypervolume, hypervolume, hypervolume_info
from dymu.reports.collect import Results
from dymu.reports.intervals import Aggregate, across_tasks

Floats = NDArray[np.float64]

ABOVE_FLOOR = "uniformity_above_floor"
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


def derived_values(record: Record) -> dict[str, Value]:
    """Record values that follow from the points of a record, named as if they were written in it.

    ``hypervolume_at_2`` and ``error_hypervolume`` where :data:`OTHER_REFERENCES` apply, and
    ``uniformity_above_floor``; each with ``/c=...`` behind where the record has resource preferences.
    """
    values: dict[str, Value] = {}
    for point in record.points:
        suffix = "" if point.resource_preference is None else f"/c={point.resource_preference:g}"
        for reference in OTHER_REFERENCES:
            points_SN = reference.points(record, point)
            if points_SN is not None:
                corner_N = [reference.coordinate] * len(record.tasks)
                number = hypervolume(points_SN, corner_N)
                values[reference.name + suffix] = replace(
                    hypervolume_info(corner_N), name=reference.name
                ).value(number)
        floor, uniformity = record.values.get("uniformity_floor"), record.values.get("uniformity" + suffix)
        if floor is not None and uniformity is not None:
            above = uniformity.value - floor.value
            values[ABOVE_FLOOR + suffix] = Value(value=above, higher_is_better=True)
    return values


def with_derived(results: Results) -> Results:
    """The same results with :func:`derived_values` among the values of every record."""
    return replace(
        results,
        records={
            cell: replace(record, values={**derived_values(record), **record.values})
            for cell, record in results.records.items()
        },
    )


def average_over_tasks(results: Results, arm: str, c: float | None) -> Aggregate | None:
    """Interquartile mean over tasks and seeds of the metric that all tasks share.

    Its interval draws whole seeds, but for single-task nets the seeds of each task.

    Returns:
        ``None`` if tasks are judged by different metrics, or without records at this resource preference.
    """
    suffix = "" if c is None else f"/c={c:g}"
    metrics = [
        {name.split("/")[2] for name in results.infos if name.startswith(f"task/{task}/")}
        for task in results.tasks
    ]
    if any(found != metrics[0] for found in metrics) or len(metrics[0]) != 1:
        return None
    (metric,) = metrics[0]
    records = results.of(arm).values()
    names = [f"task/{task}/{metric}{suffix}" for task in results.tasks]
    rows = [
        [r.values[name].value for name in names] for r in records if all(name in r.values for name in names)
    ]
    if not rows:
        return None
    one_by_one = all(record.method in _ONE_BY_ONE for record in records)
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
