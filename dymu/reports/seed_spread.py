"""The spread over seeds: values of seeds beside their mean and its interval, per arm."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dymu.errors import ReportError
from dymu.reports.collect import Results
from dymu.reports.compare import estimate
from dymu.reports.figure_notes import LINE_IN, in_order, missing_lines, resource_label, wrapped, write_notes
from dymu.reports.style import PAGE_IN, panels, resource_style, shortened

Spread = dict[tuple[str, float | None], dict[int, float]]
"""(Arm, c) to seed to value."""

_VALUES = {
    "hypervolume": "hypervolume",
    "uniformity": "uniformity",
    "active_parameter_fraction": "active parameters,\n% of anchor net",
}
_HOW = "Large: means over seeds, bars their 95 % t-intervals. Small: seeds."
_LINE_OF_ARM_IN = 0.17


def spread_of(results: Results, name: str) -> Spread:
    """A record value of every seed.

    Args:
        results: The records.
        name: Of the value, without the resource preference.
    """
    found: Spread = {}
    for arm in results.arms:
        for c in (None, *results.resource_preferences(arm.name)):
            values = results.values(arm.name, name if c is None else f"{name}/c={c:g}")
            if values:
                found[arm.name, c] = values
    return found


def seed_spread(results: Results) -> Figure:
    """A panel for each value; a row for each arm and resource preference, in a panel where it was measured.

    Large points are means, bars their 95 % t-interval (from two seeds on), small points the seeds.

    Raises:
        ReportError: If nothing was measured.
    """
    found = {name: spread_of(results, name) for name in _VALUES}
    found = {name: spread for name, spread in found.items() if spread}
    if not found:
        raise ReportError(
            f"{results.manifest.name} has no records; make them with `dymu run {results.manifest.target}`."
        )
    keys = {key for spread in found.values() for key in spread}
    resources = in_order({c for _, c in keys})
    arms = [arm for arm in results.arms if any(name == arm.name for name, _ in keys)]
    rows = _stacked([[(arm.name, c) for c in resources if (arm.name, c) in keys] for arm in arms])
    notes = wrapped([_HOW, *missing_lines(results)], PAGE_IN)
    height = _LINE_OF_ARM_IN * (max(rows.values()) + 1.5) + 0.75 + LINE_IN * len(notes)
    figure = Figure(figsize=(PAGE_IN, height), layout="constrained")
    axes = panels(figure, 1, len(found))[0]
    for axis, (name, spread) in zip(axes, found.items(), strict=True):
        scale = 100.0 if name == "active_parameter_fraction" else 1.0
        for (arm_name, c), values in spread.items():
            _draw(
                axis,
                rows[arm_name, c],
                [scale * value for value in values.values()],
                resource_style(c, resources),
            )
        axis.set_xlabel(_VALUES[name])
        axis.set_ylim(max(rows.values()) + 0.7, -0.7)
        axis.set_yticks([])
        axis.grid(axis="x", color="#e6e6e6", linewidth=0.5)
        axis.set_axisbelow(True)
    _name_arms(axes[0], {arm.label: [y for (name, _), y in rows.items() if name == arm.name] for arm in arms})
    if resources != [None]:
        handles = [Line2D([], [], **resource_style(c, resources), markersize=3.5) for c in resources]
        figure.legend(handles, [resource_label(c) for c in resources], loc="outside upper right", ncols=5)
    write_notes(figure, notes)
    return figure


def _stacked(groups: list[list[tuple[str, float | None]]]) -> dict[tuple[str, float | None], float]:
    """Heights of rows, with half a row between groups."""
    rows, y = {}, 0.0
    for group in groups:
        for key in group:
            rows[key] = y
            y += 1
        y += 0.5
    return rows


def _draw(axis: Any, y: float, values: list[float], style: Mapping[str, Any]) -> None:
    colour = style["color"]
    found = estimate(values)
    if found.half_width is not None:
        axis.errorbar(
            found.mean, y, xerr=found.half_width, fmt="none", ecolor=colour, elinewidth=0.8, capsize=2
        )
        axis.plot(values, [y] * len(values), "o", color=colour, markersize=2.2, alpha=0.5, markeredgewidth=0)
    axis.plot([found.mean], [y], **style, markersize=4)


def _name_arms(axis: Any, rows: Mapping[str, list[float]]) -> None:
    axis.set_yticks([sum(ys) / len(ys) for ys in rows.values()], [shortened(label, 26) for label in rows])
    axis.tick_params(axis="y", length=0)
