"""How active parameters spread over sampled preferences, per arm and resource preference, for any N."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dymu.reports.collect import Results
from dymu.reports.figure_notes import LINE_IN, in_order, missing_lines, resource_label, wrapped, write_notes
from dymu.reports.resource_map import shares_by_arm
from dymu.reports.style import COLUMN_IN, panels, resource_style, shortened

_ROW_IN = 0.42
_HOW = "Box: middle half of the sampled preferences, and median; line: 5th to 95th percentile; point: mean."


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Active parameters over sampled preferences, in percent of the anchor net.

    Attributes:
        mean: Over the preferences.
        low: 5th percentile.
        first: Lower quartile.
        middle: Median.
        third: Upper quartile.
        high: 95th percentile.
        preferences: How many there are.
    """

    mean: float
    low: float
    first: float
    middle: float
    third: float
    high: float
    preferences: int


def distributions_of(results: Results) -> Mapping[str, Mapping[float | None, Distribution]]:
    """Arm to resource preference to how its cost spreads.

    Raises:
        ReportError: If no record has costs.
    """
    found: dict[str, dict[float | None, Distribution]] = {}
    for arm, shares in shares_by_arm(results).items():
        for c in in_order(set(shares)):
            percent_S = 100 * shares[c][1]
            low, first, middle, third, high = np.percentile(percent_S, [5, 25, 50, 75, 95]).tolist()
            found.setdefault(arm, {})[c] = Distribution(
                mean=float(percent_S.mean()),
                low=low,
                first=first,
                middle=middle,
                third=third,
                high=high,
                preferences=len(percent_S),
            )
    return found


def cost_distribution(results: Results) -> Figure:
    """Boxes of the middle half, whiskers from the 5th to the 95th percentile, a point for the mean.

    Raises:
        ReportError: If no record has costs.
    """
    found = distributions_of(results)
    resources = in_order({c for own in found.values() for c in own})
    notes = wrapped([_HOW, *missing_lines(results)], COLUMN_IN)
    figure = Figure(
        figsize=(COLUMN_IN, _ROW_IN * len(found) + 0.85 + LINE_IN * len(notes)), layout="constrained"
    )
    ((axis,),) = panels(figure, 1, 1)
    height = 0.8 / len(resources)
    for row, own in enumerate(found.values()):
        for index, (c, each) in enumerate(own.items()):
            y = row + height * (index - (len(own) - 1) / 2)
            style = resource_style(c, resources)
            colour = style["color"]
            axis.plot([each.low, each.high], [y, y], color=colour, linewidth=0.8)
            axis.barh(
                y, each.third - each.first, 0.75 * height, each.first, color=colour, alpha=0.35, linewidth=0
            )
            axis.plot([each.middle] * 2, [y - 0.37 * height, y + 0.37 * height], color=colour, linewidth=1.4)
            axis.plot([each.mean], [y], **style, markersize=3.2)
    axis.set_yticks(range(len(found)), [shortened(results.arm(name).label, 26) for name in found])
    axis.tick_params(axis="y", length=0)
    everything = [end for own in found.values() for each in own.values() for end in (each.low, each.high)]
    axis.set_xlim(min(everything) - 2, max(everything) + 2)
    axis.set_ylim(len(found) - 0.5, -0.5)
    axis.set_xlabel("active parameters,\n% of the anchor net")
    if resources != [None]:
        handles = [Line2D([], [], **resource_style(c, resources), markersize=3.2) for c in resources]
        labels = [resource_label(c) for c in resources]
        figure.legend(handles, labels, loc="outside upper center", ncols=len(resources))
    write_notes(figure, notes)
    return figure
