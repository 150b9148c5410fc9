"""Figure 19: what the hypervolume measures, as a surface for two or three tasks, as lines for more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dymu.artifacts.record import Point, Record
from dymu.errors import ReportError
from dymu.reports.collect import Results
from dymu.reports.figure_notes import LINE_IN, in_order, missing_lines, resource_label, wrapped, write_notes
from dymu.reports.staircase import dominating, project, staircase, surface
from dymu.reports.style import COLOURS, COLUMN_IN, PAGE_IN, SMALLEST, panels, shortened, task_text

Floats = NDArray[np.float64]

_ROW_IN = 1.5
# Faces across each axis of the cube: what is attained, and the walls at the reference point behind it.
_FACES = ("#7fb6d9", "#3f8fc4", "#0f5c93")
_WALLS = ("#f4f4f4", "#ebebeb", "#e2e2e2")


@dataclass(frozen=True, kw_only=True)
class Attained:
    """Losses whose union of boxes up to the reference point is the hypervolume.

    Attributes:
        seed: Seed of the record.
        points_KN: Losses that dominate the reference point and that no other dominates.
        reference: The reference point.
        volume: Mean of the recorded hypervolume over seeds.
        num_seeds: How many seeds that are.
    """

    seed: int
    points_KN: Floats
    reference: tuple[float, ...]
    volume: float
    num_seeds: int


def attained_of(results: Results, arm: str) -> dict[float | None, Attained]:
    """Resource preference to what was attained, at the seed whose hypervolume is the (lower) median."""
    found: dict[float | None, Attained] = {}
    records = results.of(arm)
    for c in {point.resource_preference for record in records.values() for point in record.points}:
        name = "hypervolume" if c is None else f"hypervolume/c={c:g}"
        volumes = results.values(arm, name)
        ordered = sorted(volumes, key=lambda seed: (volumes[seed], seed))
        if not ordered:
            continue
        seed = ordered[(len(ordered) - 1) // 2]
        point = _point(records[seed], c)
        losses = np.asarray(point.losses, dtype=np.float64)
        found[c] = Attained(
            seed=seed,
            points_KN=dominating(losses, records[seed].reference_point),
            reference=records[seed].reference_point,
            volume=float(np.mean(list(volumes.values()))),
            num_seeds=len(volumes),
        )
    return found


def hypervolume_figure(results: Results) -> Figure:
    """A row for each arm, a column for each resource preference.

    Two tasks: the area between the staircase of losses and the reference point. Three: the boxes seen from
    the ideal corner, along the diagonal of the cube, from where no face hides another. More: a line across
    the tasks for each loss vector that no other dominates, up to which the box reaches from above.

    Raises:
        ReportError: If nothing was measured.
    """
    found = {arm.name: attained_of(results, arm.name) for arm in results.arms}
    arms = [arm for arm in results.arms if found[arm.name]]
    if not arms:
        raise ReportError(
            f"{results.manifest.name} has no records; make them with `dymu run {results.manifest.target}`."
        )
    resources = in_order({c for each in found.values() for c in each})
    if len(resources) > 1 and None in resources:  # methods without c stand in the first column
        resources.remove(None)
    num_tasks = len(results.tasks)
    seeds = sorted({each.seed for panel in found.values() for each in panel.values()})
    num_seeds = max(each.num_seeds for panel in found.values() for each in panel.values())
    width = COLUMN_IN if num_tasks <= 3 or len(resources) == 1 else PAGE_IN
    notes = wrapped([_how(num_tasks), _which(seeds, several=num_seeds > 1), *missing_lines(results)], width)
    height = _ROW_IN * len(arms) + LINE_IN * len(notes) + 0.3
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = panels(figure, len(arms), len(resources))
    limits = _limits([each for panel in found.values() for each in panel.values()])
    for row, arm in enumerate(arms):
        for column, c in enumerate(resources):
            axis = axes[row][column]
            attained = found[arm.name].get(c, found[arm.name].get(None) if column == 0 else None)
            if attained is None:
                axis.set_axis_off()
                continue
            below = (found[other.name] for other in arms[row + 1 :])
            last = not any(c in own or (column == 0 and None in own) for own in below)
            _draw(axis, attained, results.tasks, limits, last=last)
            _write_volume(axis, attained.volume, right=num_tasks == 3)
            if row == 0 and c is not None:
                axis.set_title(resource_label(c), pad=14)
        axes[row][0].annotate(
            shortened(arm.label, int(14 * width / len(resources))),
            (0.0, 1.0),
            xycoords="axes fraction",
            xytext=(0, 2),
            textcoords="offset points",
            va="bottom",
            annotation_clip=False,
        )
    write_notes(figure, notes)
    return figure


def _point(record: Record, c: float | None) -> Point:
    return next(point for point in record.points if point.resource_preference == c)


def _limits(found: Sequence[Attained]) -> Floats:
    """(2, N) lower and upper limits of losses that all panels share: from zero to the reference point."""
    upper = np.max([each.reference for each in found], axis=0)
    lowest = [each.points_KN.min(axis=0) for each in found if len(each.points_KN)]
    lower = np.minimum(0.0, np.min(lowest, axis=0)) if lowest else np.zeros_like(upper)
    return np.stack([lower, upper])


def _draw(axis: Any, found: Attained, tasks: Sequence[str], limits: Floats, *, last: bool) -> None:
    if len(tasks) == 2:
        _draw_area(axis, found, tasks, limits, last=last)
    elif len(tasks) == 3:
        _draw_cube(axis, found, tasks, limits)
    else:
        _draw_lines(axis, found, tasks, limits, last=last)


def _draw_area(axis: Any, found: Attained, tasks: Sequence[str], limits: Floats, *, last: bool) -> None:
    corners = staircase(found.points_KN, found.reference)
    axis.add_collection(
        PolyCollection([corners], facecolors=_FACES[0], edgecolors=COLOURS[0], linewidths=0.8)
    )
    axis.plot(*found.points_KN.T, "o", color=COLOURS[0], markersize=2.5)
    axis.plot(*found.reference, "x", color=COLOURS[1], markersize=4)
    axis.set_xlim(limits[0, 0], limits[1, 0] * 1.05)
    axis.set_ylim(limits[0, 1], limits[1, 1] * 1.05)
    axis.set_ylabel(f"loss of {task_text(tasks[1], 20)}")
    if last:
        axis.set_xlabel(f"loss of {task_text(tasks[0], 20)}")
    else:
        axis.tick_params(labelbottom=False)


def _draw_cube(axis: Any, found: Attained, tasks: Sequence[str], limits: Floats) -> None:
    lower, upper = limits
    for across in range(3):
        faces_FC3, wall_F = surface(found.points_KN, found.reference, lower, across)
        colours = [_WALLS[across] if wall else _FACES[across] for wall in wall_F]
        flat = project((faces_FC3 - lower) / (upper - lower))
        # An edge in the colour of its face closes the seams between faces.
        axis.add_collection(
            PolyCollection(list(flat), facecolors=colours, edgecolors=colours, linewidths=0.25)
        )
    shown = project((found.points_KN - lower) / (upper - lower))
    axis.plot(*shown.T, "o", color=COLOURS[1], markersize=2.2, markeredgewidth=0)
    ideal, edges = np.zeros(3), np.eye(3)
    spokes = [project(np.stack([ideal, edge])) for edge in edges]
    axis.add_collection(LineCollection(spokes, colors="#333333", linewidths=0.5, linestyles=(0, (2, 2))))
    for task, edge in zip(tasks, edges, strict=True):
        x, y = project(1.06 * edge)
        side = "center" if abs(x) < 0.1 else ("left" if x > 0 else "right")
        axis.text(x, y, task_text(task, 12), ha=side, va="bottom" if y > 0 else "top", fontsize=6)
    axis.set_aspect("equal")
    axis.set_xlim(-1.25, 1.25)
    axis.set_ylim(-1.12, 1.2)
    axis.set_axis_off()


def _draw_lines(axis: Any, found: Attained, tasks: Sequence[str], limits: Floats, *, last: bool) -> None:
    x = np.arange(len(tasks))
    for row in found.points_KN:
        axis.plot(x, row, color=COLOURS[0], linewidth=0.6, alpha=0.7)
    if len(found.points_KN):
        axis.fill_between(x, found.points_KN.min(axis=0), found.reference, color=COLOURS[0], alpha=0.15, lw=0)
    axis.plot(x, found.reference, color=COLOURS[1], linewidth=0.9)
    axis.set_xlim(-0.2, len(tasks) - 0.8)
    axis.set_ylim(float(limits[0].min()), float(limits[1].max()) * 1.05)
    names = [task_text(task, 12) for task in tasks] if last else [""] * len(tasks)
    axis.set_xticks(x, names, rotation=90 if len(tasks) > 5 else 0, fontsize=SMALLEST)
    axis.set_ylabel("loss")


def _write_volume(axis: Any, volume: float, *, right: bool) -> None:
    axis.annotate(
        f"HV {volume:.4g}",
        (1.0 if right else 0.0, 0.0),
        xycoords="axes fraction",
        xytext=(0 if right else 4, 3),
        textcoords="offset points",
        ha="right" if right else "left",
        va="bottom",
        fontsize=6.5,
    )


def _how(num_tasks: int) -> str:
    if num_tasks == 2:
        return "Area between the attained losses and the reference point (cross)."
    if num_tasks == 3:
        return (
            "Boxes from attained losses (points) to the reference point, seen from zero loss (middle) along "
            "the diagonal. Blue: attained; grey: walls at the reference; an edge is a task's loss."
        )
    return "Lines: losses that no other preference improves in all tasks. Orange: the reference point."


def _which(seeds: Sequence[int], *, several: bool) -> str:
    if not several:
        return f"Seed {', '.join(map(str, seeds))}."
    return f"Seed with the median hypervolume ({', '.join(map(str, seeds))}); HV: mean over seeds."
