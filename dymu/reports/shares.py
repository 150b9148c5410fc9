"""Active parameters as part of one and the same anchor net for all rows of a table.

A record's own ``active_parameter_fraction`` is relative to what its method stores: a method with one shared
net always runs all of it. Beside a controller that says nothing, so rows are related to the anchor net of N
single-task streams that the controller or the single-task nets of the same question have.
"""

from collections.abc import Iterator

from dymu.artifacts.manifest import ManifestArm
from dymu.artifacts.record import Record
from dymu.metrics import cost
from dymu.reports.collect import Results

# Methods that store one stream for each task.
_WHOLE = ("controllable", "single_task")


def common_anchor(results: Results) -> float | None:
    """Parameters of the anchor net that rows without one of their own are related to.

    Returns:
        That of the first arm that has one; ``None`` if no arm does, where each row is related to its own.
    """
    return next(_anchors(results), None)


def anchor_of(results: Results, record: Record) -> float:
    """What a record's active parameters are a part of."""
    if record.method in _WHOLE:
        return record.anchor_parameters
    return common_anchor(results) or record.anchor_parameters


def active_shares(results: Results, arm: ManifestArm, c: float | None) -> dict[int, float]:
    """Seed to active parameters as part of :func:`anchor_of`; seeds without the value are left out."""
    name = cost.ACTIVE_PARAMETERS.name if c is None else f"{cost.ACTIVE_PARAMETERS.name}/c={c:g}"
    found = {}
    for seed, record in results.of(arm.name).items():
        if name in record.values and (anchor := anchor_of(results, record)) > 0:
            found[seed] = record.values[name].value / anchor
    return found


def _anchors(results: Results) -> Iterator[float]:
    for arm in results.arms:
        for record in results.of(arm.name).values():
            if record.method in _WHOLE:
                yield record.anchor_parameters
