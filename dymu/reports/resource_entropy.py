"""Resource usage over how even the preference is: figures 5 and 9 to 12 for any number of tasks."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from dymu.reports.collect import Results
from dymu.reports.figure_notes import LINE_IN, in_order, missing_lines, resource_label, wrapped, write_notes
from dymu.reports.preference_loss import binned
from dymu.reports.resource_map import apart, shares_by_arm
from dymu.reports.style import COLUMN_IN, PAGE_IN, panels, resource_style, shortened

Floats = NDArray[np.float64]

_BINS = 10
_ROW_IN = 1.5
_COLUMNS = 3
_HOW = (
    "Evenness: entropy of the preference as part of its largest; 0 for one task alone, 1 where all are "
    "equal. Small: sampled preferences, mean of the seeds. Lines: means of tenths of them."
)


def evenness(preference_SN: Floats) -> Floats:
    """(S,) entropy of each preference as part of its largest: 0 at a corner, 1 where all are equal."""
    logs = np.log(np.where(preference_SN > 0, preference_SN, 1.0))
    entropy: Floats = -(preference_SN * logs).sum(axis=1) / np.log(preference_SN.shape[1])
    return entropy


def resource_entropy(results: Results) -> Figure:
    """A panel for each arm: active share of the anchor net over evenness; lines are means of tenths.

    Raises:
        ReportError: If no record has costs.
    """
    shares = shares_by_arm(results)
    arms, constant = apart(results, shares)
    resources = in_order({c for arm in arms for c in shares[arm.name]})
    columns = min(_COLUMNS, len(arms))
    rows = -(-len(arms) // columns)
    width = COLUMN_IN if columns == 1 else PAGE_IN
    notes = wrapped([_HOW, *constant, *missing_lines(results)], width)
    height = _ROW_IN * rows + 0.4 + LINE_IN * len(notes)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = [axis for row in panels(figure, rows, columns, sharex=True, sharey=True) for axis in row]
    for axis, arm in zip(axes, arms, strict=False):
        for c in in_order(set(shares[arm.name])):
            preference_SN, share_S = shares[arm.name][c]
            x_S, percent_S = evenness(preference_SN), 100 * share_S
            style = resource_style(c, resources)
            small = {"color": style["color"], "markersize": 1.6, "alpha": 0.25, "mew": 0}
            axis.plot(x_S, percent_S, ".", **small, rasterized=True)
            axis.plot(*binned(x_S, percent_S, _BINS), **style, markersize=2.5)
        axis.set_title(shortened(arm.label, 32), loc="left")
        axis.tick_params(labelbottom=True)  # the panel below may be empty
    for axis in axes[len(arms) :]:
        axis.set_axis_off()
    for axis in axes[max(0, len(arms) - columns) : len(arms)]:
        axis.set_xlabel("evenness")
    for axis in axes[::columns]:
        axis.set_ylabel("active parameters, %")
    write_notes(figure, notes)
    if resources != [None]:
        handles = [Line2D([], [], **resource_style(c, resources), markersize=2.5) for c in resources]
        labels = [resource_label(c) for c in resources]
        figure.legend(handles, labels, loc="outside upper right", ncols=len(resources))
    return figure
