"""Measures of one arm that read more than its values: correlations over tasks, costs at corners, trees.

Letters: S preferences, L layers, N tasks.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dymu.artifacts.record import Point, Record
from dymu.reports.checks import Case, Margins, Measure, Measured
from dymu.reports.intervals import interquartile_mean
from dymu.reports.tree_shape import shared_depth, stream_share
from dymu.spec.ablation import BASELINE

Floats = NDArray[np.float64]

# A preference counts as a corner if one task has this share, as skewed if it has that share.
CORNER, SKEWED = 0.9, 0.8
# Part of the evaluated preferences that counts as the most even ones.
EVEN = 0.2

_COST = "entropy_cost_correlation"


def cost_follows_entropy(threshold: float) -> Measure:
    """Rank correlation of cost and entropy of the preference above a threshold, at every c.

    A cost that never varies follows nothing and counts as 0.
    """

    def measure(case: Case) -> Measured:
        def lowest(record: Record) -> float | None:
            found = [
                _value(record, _COST, point, otherwise=0.0)
                for point in record.points
                if point.cost_parameters
            ]
            return min(found) - threshold if found else None

        return _of_records(case, lowest)

    return measure


def corners_cost_as_little(shared_arm: str, *, tolerance: float) -> Measure:
    """Where one task has nine tenths, parameters are those of one shared net, up to a part of them."""

    def measure(case: Case) -> Measured:
        shared = case.results.values(shared_arm, "active_parameters")

        def margin(record: Record) -> float | None:
            costs = [cost for point in record.points if (cost := _corner_cost(point)) is not None]
            return max(costs) if costs else None

        found = _of_records(case, margin).by_seed
        if not found and case.results.of(BASELINE):
            return f"no sampled preference gives a task {CORNER:g} of the whole"
        return Margins(
            by_seed={seed: 1 + tolerance - found[seed] / shared[seed] for seed in found if seed in shared}
        )

    return measure


def constant_cost(arm: str) -> Measure:
    """Parameters of a method do not depend on the preference: margins are .001 less the relative range."""

    def measure(case: Case) -> Measured:
        def margin(record: Record) -> float | None:
            costs = [np.asarray(p.cost_parameters) for p in record.points if p.cost_parameters]
            return min(0.001 - float(np.ptp(cost) / cost.mean()) for cost in costs) if costs else None

        return _of_records(case, margin, arm)

    return measure


def falls_with_c(metric: str) -> Measure:
    """A value falls from each measured c to the next larger one; margins are parts of the lower value.

    Args:
        metric: Record value name without its resource preference.
    """

    def steps(numbers: list[float | None]) -> float | None:
        known = [number for number in numbers if number is not None]
        if len(known) < len(numbers) or not all(known):
            return None
        return min((one - two) / abs(two) for one, two in pairwise(known))

    def measure(case: Case) -> Measured:
        names = [f"{metric}/c={c:g}" for c in case.results.resource_preferences(BASELINE)]
        if len(names) < 2:
            return Margins(by_seed={})

        def margin(record: Record) -> float | None:
            return steps([record.values[name].value if name in record.values else None for name in names])

        printed = case.results.arm(BASELINE).paper
        ends = steps([printed.get(name) for name in (names[0], names[-1])])
        return replace(_of_records(case, margin), paper=ends)

    return measure


def losses_follow_preferences(over_tasks: Callable[[list[float]], float]) -> Measure:
    """Falling loss of a task as its preference rises, at every c: slope of a straight line.

    It goes through the losses at all evaluated preferences. Slopes are parts of the task's mean loss; a loss
    that never varies counts as 0.

    Args:
        over_tasks: Makes one number of the tasks': ``min`` for each task, an average for tasks as a whole.
    """

    def measure(case: Case) -> Measured:
        def lowest(record: Record) -> float | None:
            return min(over_tasks(_falls(point)) for point in record.points)

        return _of_records(case, lowest)

    return measure


def average_of_tasks(numbers: list[float]) -> float:
    """Interquartile mean from four tasks on, below that the mean: a quarter of three is none."""
    return interquartile_mean(numbers)


def deeper_sharing(case: Case) -> Measured:
    """Layers shared by all tasks at the most even preferences, beyond those at the next smaller c."""

    def margin(record: Record) -> float | None:
        resources = case.results.resource_preferences(BASELINE)
        depths = [_even_depth(_point_at(record, c)) for c in resources]
        known = [depth for depth in depths if depth is not None]
        if len(known) < 2 or len(known) < len(depths):
            return None
        return min(more - fewer for fewer, more in pairwise(known))

    return _of_records(case, margin)


def own_stream(case: Case) -> Measured:
    """Share of running nodes in the stream of a task that has four fifths of the preference, above a half."""

    def margin(record: Record) -> float | None:
        shares = [float(share) for point in record.points if point.parents for share in _own_shares(point)]
        return float(np.mean(shares)) - 0.5 if shares else None

    found = _of_records(case, margin)
    if not found.by_seed and case.results.of(BASELINE):
        return f"no evaluated preference gives a task {SKEWED:g} of the whole"
    return found


def _of_records(case: Case, margin: Callable[[Record], float | None], arm: str = BASELINE) -> Margins:
    found = {seed: margin(record) for seed, record in case.results.of(arm).items()}
    return Margins(by_seed={seed: number for seed, number in found.items() if number is not None})


def _value(record: Record, name: str, point: Point, *, otherwise: float) -> float:
    c = point.resource_preference
    found = record.values.get(name if c is None else f"{name}/c={c:g}")
    return otherwise if found is None else found.value


def _falls(point: Point) -> list[float]:
    """Fall of each task's loss per unit of its own preference, relative to its mean loss."""
    preference_SN, loss_SN = np.asarray(point.preferences), np.asarray(point.losses)
    falls = []
    for preference_S, loss_S in zip(preference_SN.T, loss_SN.T, strict=True):
        centred_S = preference_S - preference_S.mean()
        spread, mean = float(centred_S @ centred_S), float(loss_S.mean())
        falls.append(-float(centred_S @ loss_S) / spread / mean if spread > 0 and mean > 0 else 0.0)
    return falls


def _corner_cost(point: Point) -> float | None:
    if not point.cost_parameters:
        return None
    corner_S = np.asarray(point.cost_preferences).max(axis=1) >= CORNER
    return float(np.asarray(point.cost_parameters)[corner_S].mean()) if corner_S.any() else None


def _even_depth(point: Point) -> float | None:
    if not point.parents:
        return None
    largest_S = np.asarray(point.preferences).max(axis=1)
    even = np.argsort(largest_S, kind="stable")[: max(1, round(EVEN * len(largest_S)))]
    return float(shared_depth(np.asarray(point.parents)[even]).mean())


def _own_shares(point: Point) -> Floats:
    preference_SN = np.asarray(point.preferences)
    skewed_S = preference_SN.max(axis=1) >= SKEWED
    if not skewed_S.any():
        return np.empty(0)
    return stream_share(np.asarray(point.parents)[skewed_S], preference_SN[skewed_S].argmax(axis=1))


def _point_at(record: Record, c: float | None) -> Point:
    return next(point for point in record.points if point.resource_preference == c)
