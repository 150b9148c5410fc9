"""Figures by name or by the paper's number, written as SVG, PDF and PNG."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from dymu.artifacts.files import write_whole
from dymu.artifacts.store import Store
from dymu.errors import ReportError, did_you_mean
from dymu.reports import figure_numbers
from dymu.reports.affinity_figure import affinities_of, affinity_figure, has_affinities
from dymu.reports.collect import Results
from dymu.reports.cost_distribution import cost_distribution
from dymu.reports.curves import curves, logged
from dymu.reports.grid import compare_with_grid, has_grid, only
from dymu.reports.grid_figure import grid_figure
from dymu.reports.grid_table import grid_table
from dymu.reports.hypervolume_figure import hypervolume_figure
from dymu.reports.preference_loss import preference_loss
from dymu.reports.resource_entropy import resource_entropy
from dymu.reports.resource_map import resource_map
from dymu.reports.seed_spread import seed_spread
from dymu.reports.style import FORMATS, paper_style, save, svg_text
from dymu.reports.sweep import has_sweep
from dymu.reports.sweep_figure import sweep_figure
from dymu.reports.table import Table
from dymu.reports.tradeoff import tradeoff_figure
from dymu.reports.tree_figure import corner_trees, uniform_trees

_TRIANGLE = 3  # tasks
_OF_RECORDS: Mapping[str, Callable[[Results], Figure]] = {
    "resource_map": resource_map,
    "resource_entropy": resource_entropy,
    "preference_loss": preference_loss,
    "sweep": sweep_figure,
    "trade_off": tradeoff_figure,
    "trees_uniform": uniform_trees,
    "trees_corners": corner_trees,
    "hypervolume": hypervolume_figure,
    "cost_distribution": cost_distribution,
    "seeds": seed_spread,
}
_OF_STORE: Mapping[str, Callable[[Results, Store], Mapping[str, Figure]]] = {
    "static_grid": lambda results, store: {"": grid_figure(compare_with_grid(results, store))},
    "affinity": lambda results, store: {
        "": affinity_figure(affinities_of(results, store), results.manifest.tasks)
    },
    "curves": lambda results, store: {f"-{stage}": made for stage, made in curves(results, store).items()},
}
NAMES = (*_OF_RECORDS, *_OF_STORE)
DRAWN = "figures.json"
ALIASES = {
    "training": "curves",
    "5": "resource_map",
    "6": "static_grid",
    "7": "preference_loss",
    "8": "sweep",
    **dict.fromkeys(("9", "10", "11", "12"), "resource_map"),
    **dict.fromkeys(("13", "14"), "trade_off"),
    "15": "preference_loss",
    "16": "trees_uniform",
    "17": "trees_corners",
    "18": "affinity",
    "19": "hypervolume",
}
# The paper draws the resource maps of the rows of Table 6 below the first one by one.
_ROW_OF_FIGURE = {"9": 2, "10": 3, "11": 4, "12": 5}
_PARTS_OF_TABLE_6 = "ablations.branching_regularizer"


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What is to be drawn.

    Attributes:
        name: One of ``NAMES``.
        results: What it shows, perhaps some arms only.
        suffix: What file names have behind the name.
    """

    name: str
    results: Results
    suffix: str = ""


def draw(
    name: str | int, results: Results, store: Store, out_dir: Path, *, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Draw a figure.

    Args:
        name: One of ``NAMES``, or the paper's number (``ALIASES``). Figures 9 to 12 show one row of Table 6
            each, beside the baseline. A resource map of other than three tasks is a resource_entropy.
        results: What to draw.
        store: Where training curves, times and affinities are read.
        out_dir: Folder for the files; made if need be. Files that are there and show the same are kept.
        formats: Of ``FORMATS``.

    Returns:
        The files.

    Raises:
        ReportError: If there is no such figure, or the results do not have what it shows.
    """
    drawing = _drawing(str(name), results)
    stem = drawing.name + drawing.suffix
    key = _key(drawing, store)
    known = _known(out_dir)
    same = known.get(stem, {}).get("key") == key
    there = [out_dir / file for file in known[stem]["files"]] if same else []
    if (
        there
        and all(path.exists() for path in there)
        and {f".{f}" for f in formats} <= {p.suffix for p in there}
    ):
        return [path for path in there if path.suffix[1:] in formats]
    with paper_style():
        files = [
            path
            for part, figure in _figures(drawing, store).items()
            for path in save(figure, out_dir, f"{stem}{part}", formats)
        ]
    kept = [path.name for path in there if path not in files and path.exists()]
    known[stem] = {"key": key, "files": [*(file.name for file in files), *kept]}
    write_whole(out_dir / DRAWN, json.dumps(known, indent=1) + "\n")
    return files


def check_name(name: str) -> str:
    """The figure that a name or number means.

    Raises:
        ReportError: If there is no such figure; lists those that there are.
    """
    chosen = ALIASES.get(name, name)
    if chosen not in NAMES:
        numbered = sorted(int(alias) for alias in ALIASES if alias.isdecimal())
        raise ReportError(
            f"there is no figure {name!r}{did_you_mean(name, NAMES)}; there are the paper's Figures "
            f"{numbered[0]} to {numbered[-1]} by their number, and by name {', '.join(NAMES)}."
        )
    return chosen


def numbers(name: str | int, results: Results, store: Store, *, provenance: bool = False) -> Table:
    """The numbers behind a figure as a table.

    Args:
        name: As for :func:`draw`.
        results: What the figure draws.
        store: Where training curves, times and affinities are read.
        provenance: Whether to list the addresses of the records behind it.

    Raises:
        ReportError: If there is no such figure, or the results do not have what it shows.
    """
    drawing = _drawing(str(name), results)
    if drawing.name in figure_numbers.OF_RECORDS:
        made = figure_numbers.OF_RECORDS[drawing.name](drawing.results)
    elif drawing.name in figure_numbers.OF_STORE:
        made = figure_numbers.OF_STORE[drawing.name](drawing.results, store)
    else:
        return grid_table(compare_with_grid(results, store), provenance=provenance)
    behind = figure_numbers.sources(drawing.results) if provenance else ()
    return replace(made, footnotes=(*made.footnotes, *behind))


def figures_of(
    results: Results, store: Store | None = None, *, without: Collection[str] = ()
) -> Mapping[str, str]:
    """All figures that can be drawn from what there is, for a page.

    Args:
        results: What to draw.
        store: Where training curves, times and affinities are read; figures that need them are left out
            without it.
        without: Figures of ``NAMES`` that the page does not want.

    Returns:
        Name to an ``svg`` element whose ids begin with the name, so that many fit one page.
    """
    unwanted = {*without, *(_OF_STORE if store is None else ())}
    names = [name for name in for_run(results, store) if name not in unwanted]
    with paper_style():
        return {
            f"{name}{part}": svg_text(figure, f"{name}{part}")
            for name in names
            for part, figure in _figures(Drawing(name=name, results=results), store).items()
        }


def for_run(results: Results, store: Store | None = None) -> tuple[str, ...]:
    """The figures that can be drawn from what there is; with a store also as to published affinities."""
    if not results.records:
        return ()
    points = [point for record in results.records.values() for point in record.points]
    names = []
    if any(point.cost_parameters for point in points):
        names += [
            "resource_map" if len(results.tasks) == _TRIANGLE else "resource_entropy",
            "cost_distribution",
        ]
    names += ["preference_loss", "trade_off", "hypervolume", "seeds"]
    if any(point.parents for point in points):
        names += ["trees_uniform", "trees_corners"]
    if has_sweep(results):
        names.append("sweep")
    measured = any("affinity" in steps for arm in results.arms for steps in arm.steps.values())
    if measured and (store is None or has_affinities(results, store)):
        names.append("affinity")
    names.append("curves")
    if has_grid(results):
        names.append("static_grid")
    return tuple(names)


def _drawing(name: str, results: Results) -> Drawing:
    chosen = check_name(name)
    if chosen == "resource_map" and len(results.tasks) != _TRIANGLE:
        chosen = "resource_entropy"
    if name not in _ROW_OF_FIGURE:
        return Drawing(name=chosen, results=results)
    source = f"Table 6, row {_ROW_OF_FIGURE[name]}"
    arm = next((arm for arm in results.arms if arm.source == source), None)
    if arm is None or not results.of(arm.name):
        raise ReportError(
            f"figure {name} shows the arm of {source}, of which {results.manifest.name} has no record; make "
            f"it with `dymu run {_PARTS_OF_TABLE_6}{_about(results)}`."
        )
    shown = only(results, (results.arms[0], arm))
    return Drawing(name=chosen, results=shown, suffix=f"-{arm.name}")


def _about(results: Results) -> str:
    """The option that asks a question about the study of some results."""
    question, given, study = results.manifest.target.partition(" --study ")
    if given:
        return f" --study {study}"
    return f" --study {question}" if question.startswith("studies.") else ""


def _figures(drawing: Drawing, store: Store | None) -> Mapping[str, Figure]:
    """Figures by what their file names have in addition."""
    if drawing.name in _OF_RECORDS:
        return {"": _OF_RECORDS[drawing.name](drawing.results)}
    assert store is not None, f"{drawing.name} reads the store"
    return _OF_STORE[drawing.name](drawing.results, store)


def _known(folder: Path) -> dict[str, Any]:
    """What was drawn into a folder before; nothing if that cannot be read."""
    try:
        return dict(json.loads((folder / DRAWN).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _key(drawing: Drawing, store: Store) -> str:
    """Digest of all that a figure depends on: records by address, what was logged, and how it is drawn."""
    results = drawing.results
    content = hashlib.sha256(f"{drawing.name} {matplotlib.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        content.update(path.read_bytes())
    content.update(results.manifest.dumps().encode())
    content.update(repr(sorted(record.address for record in results.records.values())).encode())
    if drawing.name == "curves":
        content.update(repr(logged(results, store)).encode())
    if drawing.name == "static_grid":
        content.update(repr(compare_with_grid(results, store)).encode())
    if drawing.name == "affinity":
        content.update(repr(affinities_of(results, store)).encode())
    return content.hexdigest()
