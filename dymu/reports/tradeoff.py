"""Figures 13 and 14: what one task loses when another is preferred, pair by pair and method by method."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from dymu.errors import ReportError
from dymu.reports.collect import Results
from dymu.reports.figure_notes import LINE_IN, missing_lines, resource_label, wrapped, write_notes
from dymu.reports.preference_loss import losses_of
from dymu.reports.style import COLUMN_IN, PAGE_IN, line_of, panels, shortened

Floats = NDArray[np.float64]

MAX_PAIRS = 9
_BINS = 5
_COLUMNS = 3
_PANEL_IN, _LEGEND_LINE_IN = 2.0, 0.14
_ALONE = 1e-6  # preference of all other tasks together
_SAME = 1e-9


@dataclass(frozen=True, kw_only=True)
class TradeOff:
    """Losses of two tasks under one method at one resource preference.

    Attributes:
        points_S2: Losses at recorded preferences, all seeds.
        curve_B2: Mean losses of groups of preferences, by rising part of the second task in the pair.
        alone: Whether all preferences give other tasks nothing, as in the paper's figures.
    """

    points_S2: Floats
    curve_B2: Floats
    alone: bool


def trade_off(preference_SN: Floats, loss_SN: Floats, pair: tuple[int, int], bins: int = _BINS) -> TradeOff:
    """How two tasks trade off.

    With three or more recorded preferences that give other tasks nothing, only these are used, and each is
    a point of the curve. Otherwise every preference counts as much as it gives to the pair: a point of the
    curve is the weighted mean of a fifth of the preferences.

    Args:
        preference_SN: Task preferences; repeated for each seed.
        loss_SN: Losses at them.
        pair: The tasks.
        bins: Points of the curve in the second case.
    """
    both = list(pair)
    weight_S = preference_SN[:, both].sum(axis=1)
    part_S = preference_SN[:, pair[1]] / np.where(weight_S > 0, weight_S, 1.0)
    alone_S = weight_S >= 1 - _ALONE
    if len(np.unique(part_S[alone_S].round(6))) >= 3:
        part, loss = part_S[alone_S].round(6), loss_SN[alone_S][:, both]
        curve = np.array([loss[part == value].mean(axis=0) for value in np.unique(part)])
        return TradeOff(points_S2=loss, curve_B2=curve, alone=True)
    order = np.argsort(part_S, kind="stable")
    groups = [group for group in np.array_split(order, bins) if len(group) and weight_S[group].sum() > 0]
    loss_S2 = loss_SN[:, both]
    curve = np.array([np.average(loss_S2[group], axis=0, weights=weight_S[group]) for group in groups])
    return TradeOff(points_S2=loss_S2, curve_B2=curve, alone=False)


def shown_pairs(loss_SN: Floats, limit: int = MAX_PAIRS) -> list[tuple[int, int]]:
    """Pairs of tasks in order; of too many, those over whose losses a method ranges most.

    Args:
        loss_SN: Losses of the method.
        limit: How many.
    """
    pairs = list(combinations(range(loss_SN.shape[1]), 2))
    range_N = np.ptp(loss_SN, axis=0)
    widest = sorted(pairs, key=lambda pair: -float(range_N[list(pair)].prod()))[:limit]
    return sorted(widest)


def tradeoff_figure(results: Results) -> Figure:
    """A panel for each pair of tasks, a line for each method and resource preference.

    Raises:
        ReportError: If nothing was measured.
    """
    samples = {
        (arm.name, c): sample
        for arm in results.arms
        for c, sample in losses_of(results.of(arm.name).values()).items()
    }
    if not samples:
        raise ReportError(
            f"{results.manifest.name} has no records; make them with `dymu run {results.manifest.target}`."
        )
    _, first = next(iter(samples.values()))
    pairs = shown_pairs(first)
    available = len(results.tasks) * (len(results.tasks) - 1) // 2
    columns = min(_COLUMNS, len(pairs))
    rows = -(-len(pairs) // columns)
    width = COLUMN_IN if columns == 1 else PAGE_IN
    entries = [shortened(_label(results, *key), 40) for key in samples]
    across = 3 if columns > 1 else 1
    notes = _notes(
        results, all(trade_off(*s, pairs[0]).alone for s in samples.values()), len(pairs), available
    )
    notes = wrapped(notes, width)
    legend_rows = -(-len(entries) // across)
    height = _PANEL_IN * rows + _LEGEND_LINE_IN * legend_rows + LINE_IN * len(notes) + 0.15
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = [axis for row in panels(figure, rows, columns) for axis in row]
    for axis, pair in zip(axes, pairs, strict=False):
        for index, sample in enumerate(samples.values()):
            _draw(axis, trade_off(*sample, pair), index)
        axis.set_xlabel(f"loss of {shortened(results.tasks[pair[0]], 20)}")
        axis.set_ylabel(f"loss of {shortened(results.tasks[pair[1]], 20)}")
    for axis in axes[len(pairs) :]:
        axis.set_axis_off()
    handles = [Line2D([], [], marker="o", markersize=2.8, **line_of(index)) for index in range(len(samples))]
    figure.legend(handles, entries, loc="outside upper left", ncols=across, labelspacing=0.25)
    write_notes(figure, notes)
    return figure


def _draw(axis: Any, found: TradeOff, index: int) -> None:
    style = line_of(index)
    if np.ptp(found.curve_B2, axis=0).max() <= _SAME:  # a method that ignores preferences
        axis.plot(
            *found.curve_B2[:1].T, "D", color=style["color"], markersize=4.5, markeredgewidth=0, zorder=4
        )
        return
    axis.plot(*found.points_S2.T, "o", color=style["color"], markersize=1.6, alpha=0.25, markeredgewidth=0)
    axis.plot(*found.curve_B2.T, **style, marker="o", markersize=2.8)


def _label(results: Results, arm: str, c: float | None) -> str:
    label = results.arm(arm).label
    return label if c is None else f"{label}, {resource_label(c)}"


def _notes(results: Results, alone: bool, shown: int, available: int) -> Sequence[str]:
    how = []
    if alone and len(results.tasks) > 2:
        how = ["Preferences are shared between the two tasks; others have none."]
    elif not alone:
        how = [
            "Small: evaluation preferences. Lines: means of fifths by the pair's ratio, each preference "
            "weighted by what it gives the pair; records hold too few preferences of the pair alone."
        ]
    some = [f"{shown} of {available} pairs: those over which losses range most."] if shown < available else []
    return [*how, *some, *missing_lines(results)]
