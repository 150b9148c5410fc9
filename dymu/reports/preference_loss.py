"""Figures 7 and 15: the loss of each task over its preference, whatever the other preferences are."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from dymu.artifacts.record import Record
from dymu.errors import ReportError
from dymu.reports.collect import Results
from dymu.reports.figure_notes import LINE_IN, in_order, missing_lines, resource_label, wrapped, write_notes
from dymu.reports.over_seeds import over_seeds
from dymu.reports.style import (
    PAGE_IN,
    line_of,
    panels,
    resource_style,
    shortened,
    task_text,
)

Floats = NDArray[np.float64]

_ROW_IN = 1.35
_BINS = 5
MAX_COLUMNS = 5
_LEGEND_COLUMNS = 3
_LINES = (
    "each fifth of the evaluation preferences by the weight of this task, whatever the other weights are."
)


def preference_loss(results: Results) -> Figure:
    """One row per arm, one column per task; points are evaluation preferences, lines means of fifths.

    More than five tasks do not fit side by side: then a panel is a task and holds the lines of all arms.

    Raises:
        ReportError: If no arm has a record.
    """
    measured = {arm.name: losses_of(results.of(arm.name).values()) for arm in results.arms}
    arms = [arm for arm in results.arms if measured[arm.name]]
    if not arms:
        raise ReportError(
            f"{results.manifest.name} has no records; make them with `dymu run {results.manifest.target}`."
        )
    if len(results.tasks) > MAX_COLUMNS:
        return _many_tasks(results, {arm.label: measured[arm.name] for arm in arms})
    tasks = results.tasks
    how = f"Small: an evaluation preference, mean over seeds. Lines: means of {_LINES}"
    notes = wrapped([how, *missing_lines(results)], PAGE_IN)
    height = _ROW_IN * len(arms) + 0.5 + LINE_IN * len(notes)
    figure = Figure(figsize=(PAGE_IN, height), layout="constrained")
    axes = panels(figure, len(arms), len(tasks), sharex=True, sharey="col")  # arms can be compared
    resources = in_order({c for found in measured.values() for c in found})
    for row, arm in enumerate(arms):
        for column, task in enumerate(tasks):
            axis = axes[row][column]
            for c in in_order(set(measured[arm.name])):
                preference_SN, loss_SN = measured[arm.name][c]
                _draw(axis, preference_SN[:, column], loss_SN[:, column], resource_style(c, resources))
            axis.locator_params(axis="y", nbins=5)
            axis.set_xlim(-0.02, 1.02)
            axis.set_xticks((0, 0.25, 0.5, 0.75, 1), ("0", "", "0.5", "", "1"))
            if row == 0:
                axis.set_title(task_text(task, 20))
            if row == len(arms) - 1:
                axis.set_xlabel("preference")
        axes[row][0].set_ylabel(shortened(arm.label, 22) + "\ntest loss")
    if resources != [None]:
        handles = [Line2D([], [], **resource_style(c, resources), markersize=3) for c in resources]
        labels = [resource_label(c) for c in resources]
        figure.legend(handles, labels, loc="outside upper right", ncols=len(resources))
    write_notes(figure, notes)
    return figure


def _many_tasks(
    results: Results, measured: Mapping[str, Mapping[float | None, tuple[Floats, Floats]]]
) -> Figure:
    tasks = results.tasks
    rows = -(-len(tasks) // MAX_COLUMNS)
    lines = {
        (label, c): sample
        for label, samples in measured.items()
        for c, sample in ((c, samples[c]) for c in in_order(set(samples)))
    }
    legend_rows = -(-len(lines) // _LEGEND_COLUMNS)
    notes = wrapped([f"Means of {_LINES}", *missing_lines(results)], PAGE_IN)
    height = _ROW_IN * rows + 0.3 + 0.14 * legend_rows + LINE_IN * len(notes)
    figure = Figure(figsize=(PAGE_IN, height), layout="constrained")
    axes = [axis for row in panels(figure, rows, MAX_COLUMNS) for axis in row]
    for number, (axis, task) in enumerate(zip(axes, tasks, strict=False)):
        for index, (preference_SN, loss_SN) in enumerate(lines.values()):
            axis.plot(*binned(preference_SN[:, number], loss_SN[:, number]), **line_of(index))
        axis.set_title(task_text(task, 19), loc="left", fontsize=6.5)
        axis.set_xlim(left=0)
    for axis in axes[len(tasks) :]:
        axis.set_axis_off()
    for axis in axes[max(0, len(tasks) - MAX_COLUMNS) : len(tasks)]:
        axis.set_xlabel("preference")
    handles = [Line2D([], [], **line_of(index)) for index in range(len(lines))]
    labels = [shortened(label if c is None else f"{label}, c = {c:g}", 40) for label, c in lines]
    figure.legend(handles, labels, loc="outside upper left", ncols=_LEGEND_COLUMNS, labelspacing=0.25)
    write_notes(figure, notes)
    figure.supylabel("test loss", fontsize=7.5)
    return figure


def losses_of(records: Iterable[Record]) -> dict[float | None, tuple[Floats, Floats]]:
    """Losses at the evaluation preferences.

    Args:
        records: Of one arm, one per seed.

    Returns:
        Resource preference to (S, N) preferences and (S, N) losses. Seeds that were evaluated at the same
        preferences are averaged, others are put one after the other.
    """
    samples: dict[float | None, list[tuple[Floats, Floats]]] = {}
    for record in records:
        for point in record.points:
            pair = np.asarray(point.preferences, dtype=np.float64), np.asarray(point.losses, dtype=np.float64)
            samples.setdefault(point.resource_preference, []).append(pair)
    return {c: over_seeds(found) for c, found in samples.items()}


def binned(x: Floats, y: Floats, bins: int = _BINS) -> tuple[Floats, Floats]:
    """Means of x and y in portions of about equally many points, by ascending x."""
    order = np.argsort(x, kind="stable")
    portions = [portion for portion in np.array_split(order, bins) if len(portion)]
    return (
        np.array([x[portion].mean() for portion in portions]),
        np.array([y[portion].mean() for portion in portions]),
    )


def _draw(axis: Any, preference_S: Floats, loss_S: Floats, style: Mapping[str, Any]) -> None:
    axis.plot(
        preference_S,
        loss_S,
        linestyle="none",
        **style,
        markersize=2,
        alpha=0.5,
        markeredgewidth=0,
    )
    axis.plot(*binned(preference_S, loss_S), **style, markersize=3)
