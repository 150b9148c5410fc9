"""Figure 8: hypervolume, uniformity and cost over a swept number, for instance the activity threshold."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dymu.errors import ReportError
from dymu.reports.collect import Results
from dymu.reports.compare import estimate
from dymu.reports.figure_notes import LINE_IN, missing_lines, resource_label, wrapped, write_notes
from dymu.reports.style import PAGE_IN, panels, resource_style
from dymu.reports.sweep import Series, series_of, sweep_of

_VALUES = {
    "hypervolume": "hypervolume",
    "uniformity": "uniformity",
    "active_parameter_fraction": "active parameters, % of anchor net",
}
_ASIDE = 0.018  # between resource preferences, as part of the swept range, so that bars do not hide bars
_THRESHOLD = "active_threshold"
_HOW = "Large: means over seeds, bars their 95 % t-intervals. Small: seeds."
_DOTTED = "Dotted: 1 by the number of tasks; above it a preference may leave no task active."


def sweep_figure(results: Results) -> Figure:
    """A panel for each value, a line for each resource preference.

    Small points are seeds, bars the 95 % t-interval of their mean. Beside the activity threshold a dotted
    line marks 1/N, above which a preference may leave no task active.

    Raises:
        ReportError: If this is no sweep or nothing was measured.
    """
    sweep = sweep_of(results)
    found = {name: series_of(results, sweep, name) for name in _VALUES}
    found = {name: series for name, series in found.items() if series}
    if not found:
        raise ReportError(
            f"{results.manifest.name} has no records; make them with `dymu run {results.manifest.target}`."
        )
    beside_threshold = sweep.paths[0].endswith(_THRESHOLD)
    how = f"{_HOW} {_DOTTED}" if beside_threshold else _HOW
    notes = wrapped([how, *missing_lines(results)], PAGE_IN)
    height = 2.0 + LINE_IN * len(notes)
    figure = Figure(figsize=(PAGE_IN, height), layout="constrained")
    resources = list(dict.fromkeys(each.c for series in found.values() for each in series))
    ticks = sorted({setting for series in found.values() for each in series for setting in each.settings})
    step = _ASIDE * (ticks[-1] - ticks[0])
    for axis, (name, series) in zip(panels(figure, 1, len(found))[0], found.items(), strict=True):
        scale = 100.0 if name == "active_parameter_fraction" else 1.0
        for each in series:
            index = resources.index(each.c)
            _draw(
                axis,
                each,
                resource_style(each.c, resources),
                scale,
                aside=(index - (len(resources) - 1) / 2) * step,
            )
        if beside_threshold:
            axis.axvline(1 / len(results.tasks), color="#777777", linewidth=0.7, linestyle=":", zorder=0)
            axis.annotate(
                "1/N",
                (1 / len(results.tasks), 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(2, -1),
                textcoords="offset points",
                va="top",
                fontsize=6,
                color="#555555",
            )
        axis.set_xticks(ticks)
        axis.margins(x=0.08)
        axis.set_xlabel(sweep.name)
        axis.set_title(_VALUES[name], loc="left")
    _add_legend(figure, resources)
    write_notes(figure, notes)
    return figure


def _draw(axis: Any, series: Series, style: Mapping[str, Any], scale: float, *, aside: float) -> None:
    colour = style["color"]
    x = np.array(series.settings) + aside
    estimates = [estimate([scale * value for value in values.values()]) for values in series.by_seed]
    axis.plot(x, [each.mean for each in estimates], **style, markersize=3.5)
    bars = [(at, each) for at, each in zip(x, estimates, strict=True) if each.half_width is not None]
    if bars:
        axis.errorbar(
            [at for at, _ in bars],
            [each.mean for _, each in bars],
            [each.half_width for _, each in bars],
            fmt="none",
            ecolor=colour,
            elinewidth=0.7,
            capsize=2,
        )
    for at, values in zip(x, series.by_seed, strict=True):
        if len(values) > 1:
            heights = [scale * value for value in values.values()]
            axis.plot([at] * len(heights), heights, "o", color=colour, markersize=1.8, alpha=0.5, mew=0)


def _add_legend(figure: Figure, resources: Sequence[float | None]) -> None:
    if resources != [None]:
        handles = [Line2D([], [], **resource_style(c, resources), markersize=3.5) for c in resources]
        labels = [resource_label(c) for c in resources]
        figure.legend(handles, labels, loc="outside upper right", ncols=len(resources))
