"""Figures by name or by the paper's number, written as SVG, PDF and PNG."""

from pathlib import Path

from matplotlib.figure import Figure

from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.reports.collect import Results
from dymu.reports.cost_distribution import cost_distribution
from dymu.reports.curves import curves
from dymu.reports.preference_loss import preference_loss
from dymu.reports.resource_map import resource_map
from dymu.reports.style import paper_style, save

NAMES = ("resource_map", "preference_loss", "cost_distribution", "curves")
ALIASES = {
    "training": "curves",
    "5": "resource_map",
    "7": "preference_loss",
    **dict.fromkeys(("9", "10", "11", "12"), "resource_map"),
}


def draw(name: str | int, results: Results, store: Store, out_dir: Path) -> list[Path]:
    """Draw a figure.

    Args:
        name: One of ``NAMES``, or the paper's number: 5 and 9 to 12 are resource maps, 7 is preference_loss.
        results: What to draw.
        store: Where training curves are read.
        out_dir: Folder for the files; made if need be.

    Returns:
        The files.

    Raises:
        ReportError: If there is no such figure, or the results do not have what it shows.
    """
    chosen = ALIASES.get(str(name), str(name))
    if chosen not in NAMES:
        others = ", ".join(f"{other} ({figure})" for other, figure in ALIASES.items())
        raise ReportError(f"there is no figure {name!r}; there is {', '.join(NAMES)}, and {others}.")
    with paper_style():
        return [
            path
            for part, figure in _figures(chosen, results, store).items()
            for path in save(figure, out_dir, f"{chosen}{part}")
        ]


def for_run(results: Results) -> tuple[str, ...]:
    """The figures that can be drawn from what there is."""
    names = []
    if any(point.cost_parameters for record in results.records.values() for point in record.points):
        names += ["resource_map"] if len(results.tasks) == 3 else []
        names += ["cost_distribution"]
    if results.records:
        names += ["preference_loss", "curves"]
    return tuple(names)


def _figures(name: str, results: Results, store: Store) -> dict[str, Figure]:
    """Figures by what their file names have in addition."""
    if name == "curves":
        return {f"-{stage.replace('#', '-')}": figure for stage, figure in curves(results, store).items()}
    made = {
        "resource_map": resource_map,
        "preference_loss": preference_loss,
        "cost_distribution": cost_distribution,
    }[name](results)
    return {"": made}
