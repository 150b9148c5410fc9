"""What the preference explorer shows, as data: grids of controllers, and what records measured."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from dymu.artifacts.preference_grid import PreferenceGrid
from dymu.artifacts.record import Point, Record
from dymu.reports.collect import Cell, Results

_DIGITS = 5


def explorer_data(results: Results, grids: Mapping[Cell, PreferenceGrid | None]) -> dict[str, Any] | None:
    """The explorer's data as a JSON value; ``None`` where no record follows preferences.

    Args:
        results: Records of a study.
        grids: What the controllers of its cells predict, for those whose weights are there.
    """
    cells = [
        (arm.name, seed)
        for arm in results.arms
        for seed, record in results.of(arm.name).items()
        if _has_choice(record)
    ]
    if not cells:
        return None
    arms = [arm for arm in results.arms if any(name == arm.name for name, _ in cells)]
    lattices: list[Any] = []
    return {
        "tasks": list(results.tasks),
        "arms": [{"name": arm.name, "label": arm.label} for arm in arms],
        "lattices": lattices,
        "controllers": [
            {
                "arm": [arm.name for arm in arms].index(name),
                "seed": seed,
                "address": results.records[name, seed].address,
                "anchor": results.records[name, seed].anchor_parameters,
                "grid": _grid_form(grids.get((name, seed)), lattices),
                "recorded": [_point_form(point) for point in results.records[name, seed].points],
            }
            for name, seed in cells
        ],
    }


def paths_of(parents_LN: Sequence[Sequence[int]]) -> list[list[int]]:
    """N rows: the streams through which each head's features pass, layer 0 first."""
    found = []
    for head in range(len(parents_LN[-1])):
        stream, path = head, []
        for row in reversed(parents_LN):
            stream = row[stream]
            path.append(stream)
        found.append(path[::-1])
    return found


def _has_choice(record: Record) -> bool:
    """Whether a preference changes anything in what a record holds."""
    return any(len({tuple(row) for row in point.losses}) > 1 for point in record.points)


def _grid_form(grid: PreferenceGrid | None, lattices: list[Any]) -> dict[str, Any] | None:
    if grid is None:
        return None
    lattice = {"unit": grid.unit, "preferences": [part for row in grid.preferences for part in row]}
    if lattice not in lattices:
        lattices.append(lattice)
    return {
        "lattice": lattices.index(lattice),
        "resources": list(grid.resources),
        "trees": [[list(path) for path in tree] for tree in grid.trees],
        "parameters": list(grid.parameters),
        "macs": list(grid.macs),
        "runs": _runs(number for row in grid.index for number in row),
    }


def _runs(numbers: Iterable[int]) -> list[int]:
    """How often, what, how often, what: neighbours on the lattice mostly have one tree."""
    return [part for number, run in groupby(numbers) for part in (sum(1 for _ in run), number)]


def _point_form(point: Point) -> dict[str, Any]:
    return {
        "c": point.resource_preference,
        "preferences": point.preferences,
        "losses": [[_short(loss) for loss in row] for row in point.losses],
        "metrics": {name: [_short(value) for value in row] for name, row in point.task_metrics.items()},
        "trees": [paths_of(tree) for tree in point.parents],
        "parameters": point.parameters,
        "macs": point.macs,
    }


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
