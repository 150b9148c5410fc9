"""Figures by name or by the paper's number, written as SVG, PDF and PNG."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from dymu.artifacts.files import write_whole
from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.reports.collect import Results
from dymu.reports.cost_distribution import cost_distribution
from dymu.reports.curves import curves, logged
from dymu.reports.grid import compare_with_grid, has_grid
from dymu.reports.grid_figure import grid_figure
from dymu.reports.grid_table import grid_table
from dymu.reports.preference_loss import preference_loss
from dymu.reports.resource_map import resource_map
from dymu.reports.style import paper_style, save, svg_text
from dymu.reports.table import Table

NAMES = ("resource_map", "static_grid", "preference_loss", "cost_distribution", "curves")
DRAWN = "figures.json"
_FROM_STORE = ("curves", "static_grid")
ALIASES = {
    "training": "curves",
    "5": "resource_map",
    "6": "static_grid",
    "7": "preference_loss",
    **dict.fromkeys(("9", "10", "11", "12"), "resource_map"),
}


def draw(name: str | int, results: Results, store: Store, out_dir: Path) -> list[Path]:
    """Draw a figure.

    Args:
        name: One of ``NAMES``, or the paper's number: 5 and 9 to 12 are resource maps, 6 is
            static_grid, 7 is preference_loss.
        results: What to draw.
        store: Where training curves and times are read.
        out_dir: Folder for the files; made if need be. Files that are there and show the same are kept.

    Returns:
        The files.

    Raises:
        ReportError: If there is no such figure, or the results do not have what it shows.
    """
    chosen = ALIASES.get(str(name), str(name))
    if chosen not in NAMES:
        others = ", ".join(f"{other} ({figure})" for other, figure in ALIASES.items())
        raise ReportError(f"there is no figure {name!r}; there is {', '.join(NAMES)}, and {others}.")
    key = _key(chosen, results, store)
    known = _known(out_dir)
    if known.get(chosen, {}).get("key") == key:
        files = [out_dir / file for file in known[chosen]["files"]]
        if all(file.exists() for file in files):
            return files
    with paper_style():
        files = [
            path
            for part, figure in _figures(chosen, results, store).items()
            for path in save(figure, out_dir, f"{chosen}{part}")
        ]
    known[chosen] = {"key": key, "files": [file.name for file in files]}
    write_whole(out_dir / DRAWN, json.dumps(known, indent=1) + "\n")
    return files


def numbers(name: str | int, results: Results, store: Store, *, provenance: bool = False) -> Table:
    """The numbers behind a figure as a table.

    Raises:
        ReportError: If the figure has no table of its own, or the results do not have what it shows.
    """
    if ALIASES.get(str(name), str(name)) != "static_grid":
        raise ReportError(
            f"figure {name} has no table of its own, only 6 (static_grid) has; `dymu table` prints records."
        )
    return grid_table(compare_with_grid(results, store), provenance=provenance)


def figures_of(results: Results, store: Store | None = None) -> Mapping[str, str]:
    """All figures that can be drawn from what there is, for a page.

    Args:
        results: What to draw.
        store: Where training curves and times are read; figures that need them are left out without it.

    Returns:
        Name to an ``svg`` element whose ids begin with the name, so that many fit one page.
    """
    names = [name for name in for_run(results) if store is not None or name not in _FROM_STORE]
    with paper_style():
        return {
            f"{name}{part}": svg_text(figure, f"{name}{part}")
            for name in names
            for part, figure in _figures(name, results, store).items()
        }


def for_run(results: Results) -> tuple[str, ...]:
    """The figures that can be drawn from what there is."""
    names = []
    if any(point.cost_parameters for record in results.records.values() for point in record.points):
        names += ["resource_map"] if len(results.tasks) == 3 else []
        names += ["cost_distribution"]
    if results.records:
        names += ["preference_loss", "curves"]
    if has_grid(results):
        names.append("static_grid")
    return tuple(names)


def _figures(name: str, results: Results, store: Store | None) -> dict[str, Figure]:
    """Figures by what their file names have in addition."""
    assert store is not None or name not in _FROM_STORE, f"{name} reads the store"
    if name == "curves" and store is not None:
        return {f"-{stage}": figure for stage, figure in curves(results, store).items()}
    if name == "static_grid" and store is not None:
        return {"": grid_figure(compare_with_grid(results, store))}
    made = {
        "resource_map": resource_map,
        "preference_loss": preference_loss,
        "cost_distribution": cost_distribution,
    }[name](results)
    return {"": made}


def _known(folder: Path) -> dict[str, Any]:
    """What was drawn into a folder before; nothing if that cannot be read."""
    try:
        return dict(json.loads((folder / DRAWN).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _key(name: str, results: Results, store: Store) -> str:
    """Digest of all that a figure depends on: records by address, what was logged, and how it is drawn."""
    content = hashlib.sha256(f"{name} {matplotlib.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        content.update(path.read_bytes())
    content.update(results.manifest.dumps().encode())
    content.update(repr(sorted(record.address for record in results.records.values())).encode())
    if name == "curves":
        content.update(repr(logged(results, store)).encode())
    if name == "static_grid":
        content.update(repr(compare_with_grid(results, store)).encode())
    return content.hexdigest()
