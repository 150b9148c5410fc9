"""Measures that compare arms by more than two values: losses of all tasks, ranges, sweeps, training times.

Letters: S preferences, N tasks.
"""

import math
from collections.abc import Mapping
from itertools import combinations

import numpy as np

from dymu.artifacts.record import Point, Record
from dymu.reports.checks import FRUGAL, RICH, Amount, Case, End, Margins, Measure, Measured, as_printed
from dymu.reports.collect import Results
from dymu.reports.derived import OTHER_REFERENCES, other_hypervolumes
from dymu.reports.grid import compare_with_grid, has_grid
from dymu.reports.pairs import losses_on, sample_of
from dymu.spec.ablation import BASELINE


def losses_rise_with_c(case: Case) -> Measured:
    """Mean over tasks of the relative rise in loss from the smallest to the largest c."""
    return _loss_rise(case, (BASELINE, RICH), (BASELINE, FRUGAL))


def losses_above(arm: str, end: End) -> Measure:
    """Mean over tasks of how much higher, relatively, another arm's losses are."""
    return lambda case: _loss_rise(case, (BASELINE, end), (arm, end))


def wider_losses_on_edges(arm: str) -> Measure:
    """Range of the losses of two tasks while all others have preference 0, relative to another method's.

    At the smallest c; mean over the pairs of tasks that were evaluated, and over both tasks of each.
    """

    def measure(case: Case) -> Measured:
        return _relative(_edge_ranges(case.results, BASELINE), _edge_ranges(case.results, arm))

    return measure


def wider_losses(arm: str) -> Measure:
    """Mean over tasks of the range of losses over all evaluated preferences, relative to another method's."""

    def measure(case: Case) -> Measured:
        def ranges(name: str) -> dict[int, float]:
            return {
                seed: float(np.mean(np.ptp(np.asarray(_at(record, case, name, RICH).losses), axis=0)))
                for seed, record in case.results.of(name).items()
            }

        return _relative(ranges(BASELINE), ranges(arm))

    return measure


def flat_over(arms: tuple[str, ...], metric: str, end: End, *, tolerance: float) -> Measure:
    """A value varies over several arms by no more than a part of its mean; margins are what is left of it."""

    def measure(case: Case) -> Measured:
        names = (BASELINE, *arms)
        found = []
        for arm in names:
            c = case.resource(arm, end)
            found.append(case.results.values(arm, metric if c is None else f"{metric}/c={c:g}"))
        seeds = sorted(set.intersection(*(set(values) for values in found)))
        rows = {seed: np.array([values[seed] for values in found]) for seed in seeds}
        return Margins(
            by_seed={
                s: tolerance - float(np.ptp(row) / abs(row.mean())) for s, row in rows.items() if row.any()
            },
            paper=_printed_range(case, names, metric, end, tolerance),
        )

    return measure


def sided_at_other_reference(first: Amount, second: Amount) -> Measure:
    """As the printed hypervolumes are sided, but taken where the printed reference point is in doubt."""

    def measure(case: Case) -> Measured:
        records = case.results.records.values()
        doubts = [
            reference
            for reference in OTHER_REFERENCES
            if records and all(reference.doubtful(record) for record in records)
        ]
        if records and not doubts:
            return "the printed reference point is not in doubt here"
        printed = as_printed(first, second)(case)
        if isinstance(printed, str) or not doubts:
            return printed
        one, two = (_other_volumes(amount, case, doubts[0].name) for amount in (first, second))
        sign = math.copysign(1.0, (first.printed(case) or 0.0) - (second.printed(case) or 0.0))
        return Margins(by_seed={seed: sign * (one[seed] - two[seed]) for seed in sorted(one) if seed in two})

    return measure


def sooner_than_static_nets(case: Case) -> Measured:
    """Training time of the static nets that reach the controller's hypervolume beyond its own, as part of it.

    Where all nets together stay below it, the time of all of them is taken, which is less than they need.
    """
    if not has_grid(case.results):
        return Margins(by_seed={})
    found = compare_with_grid(case.results, case.store)
    controller = next((each for each in found.controllers if each.arm.name == BASELINE), None)
    if controller is None:
        return Margins(by_seed={})
    own, (grid, *_) = controller.time(found.clock), found.grids
    margins = {}
    for seed in sorted(set(own) & set(grid.seconds) & set(controller.volumes)):
        spreads, nets = grid.spreads[seed], grid.seconds[seed]
        reached = (k for k, spread in enumerate(spreads, 1) if spread.mean >= controller.volumes[seed])
        models = next(reached, len(spreads))
        needed = models * sum(net.by(found.clock) for net in nets) / len(nets)
        margins[seed] = needed / own[seed] - 1
    return Margins(by_seed=margins)


def _other_volumes(amount: Amount, case: Case, name: str) -> Mapping[int, float]:
    c = case.resource(amount.arm, amount.end)
    found = other_hypervolumes(case.results, amount.arm)
    return next((other.values.get(c, {}) for other in found if other.reference.name == name), {})


def _loss_rise(case: Case, low: tuple[str, End], high: tuple[str, End]) -> Margins:
    def losses(arm: str, end: End, task: str) -> Mapping[int, float]:
        c = case.resource(arm, end)
        name = f"loss/{task}"
        return case.results.values(arm, name if c is None else f"{name}/c={c:g}")

    rises: dict[int, list[float]] = {}
    for task in case.results.tasks:
        lower, higher = losses(*low, task), losses(*high, task)
        for seed in sorted(set(lower) & set(higher)):
            if lower[seed] > 0:
                rises.setdefault(seed, []).append(higher[seed] / lower[seed] - 1)
    return Margins(by_seed={seed: float(np.mean(found)) for seed, found in rises.items()})


def _edge_ranges(results: Results, arm: str) -> dict[int, float]:
    """Seed to mean range of a task's loss over preferences that at most two tasks share."""
    found = {}
    for seed, record in results.of(arm).items():
        sample = sample_of(record.points[0])
        pairs = (losses_on(sample, pair) for pair in combinations(range(len(record.tasks)), 2))
        ranges = [np.ptp(pair.losses_S2, axis=0).mean() for pair in pairs if pair is not None]
        if ranges:
            found[seed] = float(np.mean(ranges))
    return found


def _relative(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Margins:
    seeds = [seed for seed in sorted(ours) if theirs.get(seed)]
    return Margins(by_seed={seed: ours[seed] / theirs[seed] - 1 for seed in seeds})


def _printed_range(
    case: Case, arms: tuple[str, ...], metric: str, end: End, tolerance: float
) -> float | None:
    c = case.resource(BASELINE, end)
    printed = [case.results.arm(arm).paper.get(metric if c is None else f"{metric}/c={c:g}") for arm in arms]
    known = np.array([number for number in printed if number is not None])
    return tolerance - float(np.ptp(known) / known.mean()) if len(known) == len(arms) else None


def _at(record: Record, case: Case, arm: str, end: End) -> Point:
    """What a record holds at an end of its arm's resource preferences."""
    c = case.resource(arm, end)
    return next(point for point in record.points if point.resource_preference == c)
