"""What stands below a figure: what is missing, and how its numbers were chosen."""

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure

from dymu.reports.collect import Results
from dymu.reports.style import SMALLEST

LINE_IN = 0.12
"""Height of a line of a note."""

_CHARACTERS_AN_INCH = 22


def missing_lines(results: Results) -> list[str]:
    """A line for each arm that lacks seeds."""
    lines = []
    for arm in results.arms:
        seeds = [str(entry.seed) for entry in results.missing if entry.arm == arm.name]
        if seeds:
            lines.append(f"No record of {arm.label} at seed {', '.join(seeds)}")
    return lines


def wrapped(lines: Sequence[str], width_in: float) -> list[str]:
    """Lines of notes broken so that they fit a figure's width."""
    characters = int(_CHARACTERS_AN_INCH * width_in)
    return [part for line in lines for part in textwrap.wrap(line, characters)]


def write_notes(figure: Figure, lines: Sequence[str]) -> None:
    """Write wrapped lines below a figure; leave :data:`LINE_IN` a line for them."""
    if lines:
        figure.supxlabel("\n".join(lines), fontsize=SMALLEST, x=0.01, ha="left", color="#444444")


def resource_label(c: float | None) -> str:
    """A resource preference as printed."""
    return "no c" if c is None else f"c = {c:g}"


def in_order(resources: set[float | None]) -> list[float | None]:
    """Resource preferences ascending, none first."""
    return sorted(resources, key=lambda c: -1.0 if c is None else c)
