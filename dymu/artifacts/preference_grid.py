"""What a controller predicts on a grid of preferences, as a small JSON file.

Neighbouring preferences often share a tree, so a grid holds each distinct tree once and, per preference, the
number of its tree.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import comb
from pathlib import Path
from typing import Any

from dymu.artifacts.files import write_whole
from dymu.artifacts.fingerprint import digest
from dymu.artifacts.record import Record
from dymu.errors import StoreError

GRID_FORMAT = 1
METHOD = "controllable"
RESOURCES = tuple(round(0.05 * step, 2) for step in range(21))
_MOST_POINTS = 900
_FINEST = 100
_MIXTURES = 4  # in each task's direction the grid has steps of a quarter, however many tasks there are


@dataclass(frozen=True, kw_only=True)
class PreferenceGrid:
    """Trees, parameters and multiply-accumulates on a grid.

    Attributes:
        address: Evaluation step whose controller predicted them.
        tasks: Task names, in order.
        unit: What each row of ``preferences`` sums to.
        preferences: K rows of N whole numbers; divided by ``unit`` they are task preferences r.
        resources: C values of the resource preference c, ascending.
        trees: T distinct trees: N rows, the streams through which a task's features pass, layer 0 first.
        parameters: Active parameters of each tree, heads included.
        macs: Multiply-accumulates an image of each tree.
        index: C rows of K tree numbers.
        anchor_parameters: Parameters of the whole anchor net.
    """

    address: str
    tasks: tuple[str, ...]
    unit: int
    preferences: tuple[tuple[int, ...], ...]
    resources: tuple[float, ...]
    trees: tuple[tuple[tuple[int, ...], ...], ...]
    parameters: tuple[float, ...]
    macs: tuple[float, ...]
    index: tuple[tuple[int, ...], ...]
    anchor_parameters: float

    def dumps(self) -> str:
        """JSON text."""
        return json.dumps({"format": GRID_FORMAT, **asdict(self)}, separators=(",", ":")) + "\n"


def weights_behind(record: Record) -> tuple[str, ...]:
    """Addresses on which the trees of a record's controller depend, its edge hypernet last; none without."""
    if record.method != METHOD:
        return ()
    found: dict[str, None] = {}

    def visit(address: str) -> None:
        for below in record.config[address]["inputs"].values():
            visit(below)
        found[address] = None

    visit(record.config[record.address]["inputs"]["edge"])
    return tuple(found)


def grid_file(folder: Path, record: Record) -> Path:
    """Where a grid is kept: its name follows from all that it depends on."""
    return folder / f"{digest((GRID_FORMAT, *RESOURCES, *weights_behind(record), record.address))}.json"


def save_grid(folder: Path, record: Record, grid: PreferenceGrid) -> None:
    """Keep a grid for the next report."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(grid_file(folder, record), grid.dumps())


def kept_grid(folder: Path, record: Record) -> PreferenceGrid | None:
    """A grid that was kept; ``None`` if there is none.

    Raises:
        StoreError: If it cannot be read.
    """
    path = grid_file(folder, record)
    return loads_grid(path.read_text(encoding="utf-8"), where=str(path)) if path.exists() else None


def loads_grid(text: str, *, where: str) -> PreferenceGrid:
    """Parse a grid.

    Raises:
        StoreError: If the text is none, or was written by a newer dymu.
    """
    try:
        form = json.loads(text)
        written = form.pop("format")
        if written == GRID_FORMAT:
            return PreferenceGrid(**{name: _frozen(value) for name, value in form.items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{where} is not a grid of preferences: {error}. Delete it; it is made again."
        ) from error
    raise StoreError(
        f"{where} has grid format {written}; this dymu reads format {GRID_FORMAT}. "
        "Delete it; it is made again."
    )


def lattice(num_tasks: int) -> tuple[int, list[tuple[int, ...]]]:
    """Preferences that cover the simplex evenly, and its centre.

    Args:
        num_tasks: N.

    Returns:
        The unit, and rows of N whole numbers that sum to it. All points of a triangular lattice, as fine as
        900 points allow; then, where the lattice lacks them, the centre and its mixtures with each corner.
    """
    parts = 1
    while parts < _FINEST and comb(parts + num_tasks, num_tasks - 1) <= _MOST_POINTS:
        parts += 1
    unit = parts * num_tasks * _MIXTURES
    scale = num_tasks * _MIXTURES
    rows = [tuple(scale * part for part in row) for row in _compositions(parts, num_tasks)]
    centre = tuple([unit // num_tasks] * num_tasks)
    rows.append(centre)
    for step in range(1, _MIXTURES):
        for task in range(num_tasks):
            rest = unit * (_MIXTURES - step) // (num_tasks * _MIXTURES)
            row = [rest] * num_tasks
            row[task] += unit - rest * num_tasks
            rows.append(tuple(row))
    return unit, list(dict.fromkeys(rows))


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to write ``total`` as an ordered sum of ``parts`` whole numbers from 0 on."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
