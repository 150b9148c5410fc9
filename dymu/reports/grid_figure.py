"""Figure 6: hypervolume of static nets against their number and against training time, controllers beside."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dymu.reports.grid import Controller, Grid, GridComparison
from dymu.reports.style import COLOURS, COLUMN_IN, DASHES, RESOURCE_MARKERS, SMALLEST, panels, shortened

_PANEL_IN, _LINE_IN = 1.75, 0.13
_UNITS = ((3600.0, "h"), (60.0, "min"), (1.0, "s"))
_CLOCKS = {"cpu_s": "CPU-", "wall_s": ""}
_LABEL, _NOTE = 44, 72  # characters that fit a column


def grid_figure(found: GridComparison) -> Figure:
    """Two panels with one scale of hypervolume.

    A line is the mean over subsets and seeds. Its band reaches from the 5th to the 95th percentile over
    subsets, both averaged over seeds; thin lines are seeds. A controller is a broken level and, at its
    training time, a large point for the mean and small ones for the seeds. What is missing stands below.
    """
    entries = len(found.grids) + len(found.controllers)
    missing = _missing(found)
    height = _PANEL_IN + _LINE_IN * (entries + len(missing))
    figure = Figure(figsize=(COLUMN_IN, height), layout="constrained")
    ((by_number, by_time),) = panels(figure, 1, 2)
    unit, unit_name = _unit(found)
    handles = []
    for grid, colour in zip(found.grids, COLOURS, strict=False):
        _draw_grid(by_number, grid, dict.fromkeys(grid.spreads, 1.0), colour)
        _draw_grid(by_time, grid, {s: t / unit for s, t in grid.time(1, found.clock).items()}, colour)
        handles.append(Line2D([], [], color=colour, label=shortened(grid.arm.label, _LABEL)))
    arms = list(dict.fromkeys(each.arm.name for each in found.controllers))
    for each in found.controllers:
        resources = [other.c for other in found.controllers if other.arm == each.arm]
        number = resources.index(each.c)
        style: dict[str, Any] = {
            "color": COLOURS[(len(found.grids) + arms.index(each.arm.name)) % len(COLOURS)],
            "marker": RESOURCE_MARKERS[number % len(RESOURCE_MARKERS)],
            "linestyle": DASHES[1 + number % (len(DASHES) - 1)],
        }
        times = {seed: time / unit for seed, time in each.time(found.clock).items()}
        _draw_controller((by_number, by_time), each, times, style)
        label = shortened(each.label, _LABEL)
        handles.append(Line2D([], [], **style, linewidth=0.8, markersize=4, label=label))
    by_number.set_xlabel("static nets")
    by_number.set_ylabel("hypervolume")
    by_number.set_xlim(left=0)
    by_number.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], nbins=5))
    by_time.set_xlabel(f"training, {_CLOCKS[found.clock]}{unit_name}")
    by_time.set_xlim(left=0)
    by_time.sharey(by_number)
    by_time.tick_params(labelleft=False)
    figure.legend(handles=handles, loc="outside upper left", labelspacing=0.25)
    if missing:
        figure.supxlabel("\n".join(missing), fontsize=SMALLEST, x=0.01, ha="left", color="#444444")
    return figure


def _draw_grid(axis: Any, grid: Grid, width: dict[int, float], colour: str) -> None:
    """Lines and band of a grid whose nets each take ``width`` (by seed) of the horizontal axis."""
    seeds = [seed for seed in grid.spreads if seed in width]
    if not seeds:
        return
    number = np.arange(1, grid.num_models + 1)
    rows = {seed: grid.spreads[seed][: grid.num_models] for seed in seeds}
    x = number * np.mean([width[seed] for seed in seeds])
    low, mean, high = (
        np.mean([[getattr(spread, name) for spread in row] for row in rows.values()], axis=0)
        for name in ("low", "mean", "high")
    )
    axis.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    axis.plot(x, mean, color=colour, marker="." if len(number) == 1 else None)
    for seed, row in rows.items() if len(rows) > 1 else ():
        own = [spread.mean for spread in row]
        axis.plot(number * width[seed], own, color=colour, linewidth=0.4, alpha=0.6)


def _draw_controller(
    axes: tuple[Any, Any], controller: Controller, times: dict[int, float], style: dict[str, Any]
) -> None:
    level = np.mean(list(controller.volumes.values()))
    for axis in axes:
        axis.axhline(level, color=style["color"], linestyle=style["linestyle"], linewidth=0.8)
    point = style | {"linestyle": "none"}
    seeds = [seed for seed in controller.volumes if seed in times]
    if not seeds:
        return
    volumes = [controller.volumes[seed] for seed in seeds]
    x = [times[seed] for seed in seeds]
    if len(seeds) > 1:
        axes[1].plot(x, volumes, **point, markersize=2.2, alpha=0.6, markeredgewidth=0)
    axes[1].plot(np.mean(x), np.mean(volumes), **point, markersize=4.5)


def _unit(found: GridComparison) -> tuple[float, str]:
    """Seconds of the largest unit of which the longest training has at least three."""
    longest = [time for grid in found.grids for time in grid.time(grid.num_models, found.clock).values()]
    longest += [time for each in found.controllers for time in each.time(found.clock).values()]
    return next(unit for unit in _UNITS if max(longest, default=0.0) >= 3 * unit[0] or unit[0] == 1.0)


def _missing(found: GridComparison) -> list[str]:
    lines = []
    for arm in found.results.arms:
        seeds = [str(entry.seed) for entry in found.results.missing if entry.arm == arm.name]
        if seeds:
            lines.append(f"No record of {shortened(arm.label, _LABEL)} at seed {', '.join(seeds)}")
    lines += [f"Training time unknown: no provenance of {address}" for address in found.untimed]
    return [shortened(line, _NOTE) for line in lines]
