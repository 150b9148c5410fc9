"""The numbers behind figures as tables for plots of one's own: a row for each point, bar or cell."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations
from typing import TypeVar

import numpy as np

from dymu.artifacts.manifest import ManifestArm
from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.reports.affinity_figure import affinities_of
from dymu.reports.collect import Results
from dymu.reports.compare import estimate
from dymu.reports.cost_distribution import distributions_of
from dymu.reports.curves import steps_of
from dymu.reports.figure_notes import in_order, missing_lines
from dymu.reports.hypervolume_figure import attained_of
from dymu.reports.pairs import sample_of
from dymu.reports.preference_loss import binned, losses_of
from dymu.reports.resource_map import shares_by_arm
from dymu.reports.seed_spread import spread_of
from dymu.reports.sweep import series_of, sweep_of
from dymu.reports.table import Cell, Column, Table
from dymu.reports.tradeoff import trade_off
from dymu.reports.tree_figure import trees_of

T = TypeVar("T")
Row = tuple[str | float | None, ...]
_MEAN = "mean"
_OVER_SEEDS = ("hypervolume", "uniformity", "active_parameter_fraction")


def resource_numbers(results: Results) -> Table:
    """Active share of the anchor net at each sampled preference, seeds averaged."""
    rows = (
        (arm.label, c, *preference, share)
        for arm, shares in _by_arm(results, shares_by_arm(results))
        for c in in_order(set(shares))
        for preference, share in zip(shares[c][0].tolist(), shares[c][1].tolist(), strict=True)
    )
    weights = [f"preference {task}" for task in results.tasks]
    return _table(results, ["arm", "c", *weights, "active parameter fraction"], rows)


def distribution_numbers(results: Results) -> Table:
    """How the active share spreads, in percent of the anchor net."""
    rows = (
        (arm.label, c, d.mean, d.low, d.first, d.middle, d.third, d.high, float(d.preferences))
        for arm, own in _by_arm(results, distributions_of(results))
        for c, d in own.items()
    )
    names = ["arm", "c", "mean %", "5th %", "25th %", "median %", "75th %", "95th %", "preferences"]
    return _table(results, names, rows)


def loss_numbers(results: Results) -> Table:
    """Losses at evaluation preferences, and the means of fifths that the lines join."""

    def rows() -> Iterator[Row]:
        for arm in results.arms:
            found = losses_of(results.of(arm.name).values())
            for c in in_order(set(found)):
                for number, task in enumerate(results.tasks):
                    pair = found[c][0][:, number], found[c][1][:, number]
                    for kind, (x, y) in (("point", pair), ("mean of a fifth", binned(*pair))):
                        for each in zip(x.tolist(), y.tolist(), strict=True):
                            yield arm.label, c, task, kind, *each

    return _table(results, ["arm", "c", "task", "shown", "preference", "test loss"], rows())


def tradeoff_numbers(results: Results) -> Table:
    """Points of the curve of each pair of tasks, and whether only the two had a preference."""

    def rows() -> Iterator[Row]:
        for arm in results.arms:
            points = [point for record in results.of(arm.name).values() for point in record.points]
            for c in in_order({point.resource_preference for point in points}):
                own = [sample_of(point) for point in points if point.resource_preference == c]
                for one, two in combinations(range(len(results.tasks)), 2):
                    found = trade_off(own, (one, two))
                    kind = "pair alone" if found.real else "stand-in"
                    for losses in found.curve_B2.tolist():
                        yield arm.label, c, results.tasks[one], results.tasks[two], *losses, kind

    names = ["arm", "c", "first task", "second task", "first loss", "second loss", "preferences"]
    return _table(results, names, rows())


def tree_numbers(results: Results) -> Table:
    """The stream through which each task passes each layer, at each evaluation preference."""
    rows = (
        (arm.label, tree.c, float(tree.seed), task, tree.preference[number], *streams, tree.share)
        for arm in results.arms
        for tree in trees_of(results, arm.name)
        for number, (task, streams) in enumerate(zip(results.tasks, tree.paths_NL.tolist(), strict=True))
    )
    found = list(rows)
    layers = [f"stream at layer {layer + 1}" for layer in range(len(found[0]) - 6 if found else 0)]
    names = ["arm", "c", "seed", "task", "preference", *layers, "active parameter fraction"]
    return _table(results, names, found)


def attained_numbers(results: Results) -> Table:
    """Losses that no other preference improves in all tasks, at the seed that the figure shows."""
    rows = (
        (arm.label, c, float(found.seed), found.volume, *losses)
        for arm in results.arms
        for c, found in sorted(attained_of(results, arm.name).items(), key=lambda item: item[0] or -1.0)
        for losses in found.points_KN.tolist()
    )
    names = ["arm", "c", "seed", "mean hypervolume", *(f"loss {task}" for task in results.tasks)]
    return _table(results, names, rows)


def seed_numbers(results: Results) -> Table:
    """Values of seeds, their mean and half of its 95 % interval."""
    rows = (
        (results.arm(arm).label, c, name, *row)
        for name in _OVER_SEEDS
        for (arm, c), values in spread_of(results, name).items()
        for row in _over_seeds(values)
    )
    return _table(results, ["arm", "c", "value", "seed", "number", "half width"], rows)


def sweep_numbers(results: Results) -> Table:
    """Values of seeds over the swept number, their mean and half of its 95 % interval."""
    sweep = sweep_of(results)
    rows = (
        (setting, series.c, name, *row)
        for name in _OVER_SEEDS
        for series in series_of(results, sweep, name)
        for setting, values in zip(series.settings, series.by_seed, strict=True)
        for row in _over_seeds(values)
    )
    return _table(results, [sweep.name, "c", "value", "seed", "number", "half width"], rows)


def affinity_numbers(results: Results, store: Store) -> Table:
    """Affinity of each task to each other, mean and deviation over seeds."""
    rows = (
        (", ".join(found.labels), one, two, found.mean[i, j], found.deviations[i, j], float(len(found.seeds)))
        for found in affinities_of(results, store)
        for i, one in enumerate(results.tasks)
        for j, two in enumerate(results.tasks)
    )
    return _table(results, ["arms", "task", "other task", "affinity", "deviation", "seeds"], rows)


def curve_numbers(results: Results, store: Store) -> Table:
    """All that was logged over steps."""
    rows = (
        (stage, ", ".join(results.arm(name).label for name in curve.arms), float(curve.seed), *each)
        for stage, curve in steps_of(results, store)
        for step, logged in curve.lines
        for each in ((name, float(step), value) for name, value in logged.items())
    )
    return _table(results, ["stage", "arms", "seed", "metric", "step", "value"], rows)


OF_RECORDS: Mapping[str, Callable[[Results], Table]] = {
    "resource_map": resource_numbers,
    "resource_entropy": resource_numbers,
    "preference_loss": loss_numbers,
    "sweep": sweep_numbers,
    "trade_off": tradeoff_numbers,
    "trees_uniform": tree_numbers,
    "trees_corners": tree_numbers,
    "hypervolume": attained_numbers,
    "cost_distribution": distribution_numbers,
    "seeds": seed_numbers,
}
OF_STORE: Mapping[str, Callable[[Results, Store], Table]] = {
    "affinity": affinity_numbers,
    "curves": curve_numbers,
}


def sources(results: Results) -> Iterator[str]:
    """The addresses of the records of each arm."""
    for arm in results.arms:
        addresses = [record.address for record in results.of(arm.name).values()]
        if addresses:
            yield f"Records of {arm.label}: {', '.join(addresses)}."


def _by_arm(results: Results, found: Mapping[str, T]) -> Iterator[tuple[ManifestArm, T]]:
    return ((arm, found[arm.name]) for arm in results.arms if arm.name in found)


def _over_seeds(values: Mapping[int, float]) -> Iterator[Row]:
    for seed, value in values.items():
        yield float(seed), value, None
    over = estimate(list(values.values()))
    yield _MEAN, over.mean, over.half_width


def _table(results: Results, names: Iterable[str], rows: Iterable[Row]) -> Table:
    cells = tuple(tuple(Cell(text=_text(value)) for value in row) for row in rows)
    if not cells:
        raise ReportError(
            f"{results.manifest.name} has no records of this; make them with "
            f"`dymu run {results.manifest.target}`."
        )
    return Table(
        title=f"Numbers behind a figure of {results.manifest.name}",
        columns=tuple(Column(title=name, plain=True) for name in names),
        rows=cells,
        footnotes=tuple(missing_lines(results)),
    )


def _text(value: str | float | None) -> str:
    if value is None or (not isinstance(value, str) and np.isnan(value)):
        return ""
    return value if isinstance(value, str) else f"{value:.9g}"
