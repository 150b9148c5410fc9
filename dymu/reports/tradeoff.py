"""Figures 13 and 14: what one task loses when another is preferred, pair by pair and method by method."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from dymu.errors import ReportError
from dymu.reports.collect import Results
from dymu.reports.figure_notes import LINE_IN, in_order, missing_lines, resource_label, wrapped, write_notes
from dymu.reports.pairs import Pair, Sample, command_for, evaluated_pairs, losses_on, sample_of
from dymu.reports.style import COLOURS, COLUMN_IN, DASHES, PAGE_IN, panels, shortened

Floats = NDArray[np.float64]

MAX_PAIRS = 9
_BINS = 5
_COLUMNS = 3
_PANEL_IN, _LEGEND_LINE_IN = 2.0, 0.14
_SAME = 1e-9
_LOG_FROM, _DECADES_FROM = 5, 100  # largest loss by smallest
_MARKERS = ("o", "^", "s", "D", "v", "P", "X")


@dataclass(frozen=True, kw_only=True)
class TradeOff:
    """Losses of two tasks under one method at one resource preference.

    Attributes:
        seeds: What was measured at each seed, (S, 2), by rising part of the second task in the pair.
        curve_B2: The curve: means over seeds, or over groups of preferences.
        real: Whether only the two tasks have a preference, as in the paper's figures.
    """

    seeds: tuple[Floats, ...]
    curve_B2: Floats
    real: bool

    @property
    def is_point(self) -> bool:
        """Whether the method ignores preferences: at each seed all its points are one."""
        return all(np.ptp(losses_S2, axis=0).max() <= _SAME for losses_S2 in self.seeds)


@dataclass(frozen=True, kw_only=True)
class _Line:
    """One method at one resource preference: what was measured at each seed, and how it is drawn."""

    label: str
    samples: tuple[Sample, ...]
    style: dict[str, Any]


def trade_off(samples: Sequence[Sample], pair: Pair, bins: int = _BINS) -> TradeOff:
    """How two tasks trade off.

    Where all records were evaluated between the two tasks alone, the curve is the mean over seeds at each of
    these preferences. Otherwise it is a stand-in: every evaluation preference counts as much as it gives to
    the pair, and a point of the curve is the weighted mean of a fifth of the preferences of all seeds.

    Args:
        samples: One a seed.
        pair: The tasks.
        bins: Points of the curve in the second case.
    """
    found = [losses_on(sample, pair) for sample in samples]
    parts = {each.parts_S.tobytes() for each in found if each is not None}
    if None not in found and len(parts) == 1:
        seeds = tuple(each.losses_S2 for each in found if each is not None)
        return TradeOff(seeds=seeds, curve_B2=np.mean(seeds, axis=0), real=True)
    both = list(pair)
    preference_SN = np.concatenate([sample.preferences_SN for sample in samples])
    loss_S2 = np.concatenate([sample.losses_SN[:, both] for sample in samples])
    weight_S = preference_SN[:, both].sum(axis=1)
    part_S = preference_SN[:, pair[1]] / np.where(weight_S > 0, weight_S, 1.0)
    order = np.argsort(part_S, kind="stable")
    groups = [group for group in np.array_split(order, bins) if len(group) and weight_S[group].sum() > 0]
    return TradeOff(
        seeds=tuple(sample.losses_SN[:, both] for sample in samples),
        curve_B2=np.array([np.average(loss_S2[group], axis=0, weights=weight_S[group]) for group in groups]),
        real=False,
    )


def shown_pairs(loss_SN: Floats, pairs: Sequence[Pair], limit: int = MAX_PAIRS) -> list[Pair]:
    """Pairs of tasks in order; of too many, those over whose losses a method ranges most.

    Args:
        loss_SN: Losses of the method.
        pairs: To choose from.
        limit: How many.
    """
    range_N = np.ptp(loss_SN, axis=0)
    widest = sorted(pairs, key=lambda pair: -float(range_N[list(pair)].prod()))[:limit]
    return sorted(widest)


def tradeoff_figure(results: Results) -> Figure:
    """A panel for each pair of tasks, a line for each method and resource preference.

    Raises:
        ReportError: If nothing was measured.
    """
    lines = list(_lines(results))
    if not lines:
        raise ReportError(
            f"{results.manifest.name} has no records; make them with `dymu run {results.manifest.target}`."
        )
    known = {pair for line in lines for pair in evaluated_pairs(line.samples[0])}
    pairs = sorted(known) or list(combinations(range(len(results.tasks)), 2))
    shown = shown_pairs(_all_losses(lines[0]), pairs)
    found = {pair: [trade_off(line.samples, pair) for line in lines] for pair in shown}
    real = all(each.real or each.is_point for row in found.values() for each in row)

    columns = min(_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    width = COLUMN_IN if columns == 1 else PAGE_IN
    across = 3 if columns > 1 else 1
    logarithmic = _is_wide([each for row in found.values() for each in row])
    notes = wrapped(
        _notes(results, real=real, logarithmic=logarithmic, shown=len(shown), pairs=len(pairs)), width
    )
    legend_rows = -(-len(lines) // across)
    height = _PANEL_IN * rows + _LEGEND_LINE_IN * legend_rows + LINE_IN * len(notes) + 0.15
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = [axis for row in panels(figure, rows, columns) for axis in row]
    for axis, (pair, methods) in zip(axes, found.items(), strict=False):
        for line, each in zip(lines, methods, strict=True):
            _draw(axis, each, line.style)
        axis.set_xlabel(f"loss of {shortened(results.tasks[pair[0]], 20)}")
        axis.set_ylabel(f"loss of {shortened(results.tasks[pair[1]], 20)}")
        if logarithmic:
            _make_logarithmic(axis)
    for axis in axes[len(shown) :]:
        axis.set_axis_off()
    handles = [Line2D([], [], markersize=3.2, **line.style) for line in lines]
    labels = [shortened(line.label, 40) for line in lines]
    figure.legend(handles, labels, loc="outside upper left", ncols=across, labelspacing=0.25, handlelength=3)
    write_notes(figure, notes)
    return figure


def _lines(results: Results) -> Iterator[_Line]:
    """Colour and marker say which arm; dash and filling which c, and the dash also which arm without c."""
    without_c = 0
    for number, arm in enumerate(results.arms):
        colour = COLOURS[number % len(COLOURS)]
        points = [point for record in results.of(arm.name).values() for point in record.points]
        resources = in_order({point.resource_preference for point in points})
        for place, c in enumerate(resources):
            dash = DASHES[place % 2] if c is not None else DASHES[2 + without_c % 2]
            without_c += c is None
            yield _Line(
                label=arm.label if c is None else f"{arm.label}, {resource_label(c)}",
                samples=tuple(sample_of(point) for point in points if point.resource_preference == c),
                style={
                    "color": colour,
                    "linestyle": dash,
                    "marker": _MARKERS[number % len(_MARKERS)],
                    "markerfacecolor": colour if place == 0 else "white",
                    "markeredgewidth": 0.6,
                },
            )


def _all_losses(line: _Line) -> Floats:
    paired = [sample.pair_losses_KN for sample in line.samples if len(sample.pair_losses_KN)]
    return np.concatenate(paired or [sample.losses_SN for sample in line.samples])


def _draw(axis: Any, found: TradeOff, style: dict[str, Any]) -> None:
    colour = style["color"]
    if found.is_point:
        seeds_K2 = np.array([losses_S2[0] for losses_S2 in found.seeds])
        axis.plot(*seeds_K2.T, "D", color=colour, markersize=2, alpha=0.35, markeredgewidth=0)
        axis.plot(*seeds_K2.mean(axis=0)[:, None], "D", color=colour, markersize=4.5, zorder=4)
        return
    if not found.real:
        small_S2 = np.concatenate(found.seeds)
        axis.plot(*small_S2.T, "o", color=colour, markersize=1.6, alpha=0.25, markeredgewidth=0)
    elif len(found.seeds) > 1:
        for losses_S2 in found.seeds:
            axis.plot(*losses_S2.T, color=colour, linewidth=0.5, alpha=0.35)
    axis.plot(*found.curve_B2.T, **style, markersize=3.2)


def _is_wide(found: Sequence[TradeOff]) -> bool:
    losses = np.concatenate([losses_S2 for each in found for losses_S2 in each.seeds])
    lowest = losses.min(axis=0)
    return bool((lowest > 0).all() and (losses.max(axis=0) > _LOG_FROM * lowest).any())


def _make_logarithmic(axis: Any) -> None:
    axis.set_xscale("log")
    axis.set_yscale("log")
    for side in (axis.xaxis, axis.yaxis):
        low, high = side.get_view_interval()
        steps = (1, 2, 5) if high < _DECADES_FROM * low else (1,)
        side.set_major_locator(LogLocator(subs=steps) if high > _LOG_FROM * low else MaxNLocator(4))
        side.set_minor_locator(NullLocator())
        side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _notes(results: Results, *, real: bool, logarithmic: bool, shown: int, pairs: int) -> Sequence[str]:
    if not real:
        how = [
            "A stand-in, since no preferences of these pairs alone were evaluated. Small: evaluation "
            "preferences. Lines: means of fifths by the pair's ratio, each preference weighted by what it "
            f"gives the pair. For the real curves: {command_for(results.manifest)}."
        ]
    else:
        thin = "; thin: single seeds" if len(results.manifest.seeds) > 1 else ""
        how = [f"Points: preferences that the two tasks share alone. Lines: means over seeds{thin}."]
    if logarithmic:
        how = [f"{how[0]} Logarithmic axes."]
    some = [f"{shown} of {pairs} pairs: those over which losses range most."] if shown < pairs else []
    return [*how, *some, *missing_lines(results)]
