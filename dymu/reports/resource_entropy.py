"""Resource usage over how even the preference is: figures 5 and 9 to 12 for any number of tasks."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from dymu.errors import ReportError
from dymu.reports.collect import Results
from dymu.reports.figure_notes import LINE_IN, in_order, missing_lines, resource_label, wrapped, write_notes
from dymu.reports.preference_loss import binned
from dymu.reports.resource_map import shares_of
from dymu.reports.style import COLOURS, COLUMN_IN, PAGE_IN, panels, shortened

Floats = NDArray[np.float64]

_BINS = 10
_ROW_IN = 1.5
_COLUMNS = 3
_EVENNESS = (
    "Evenness: entropy of the preference as part of its largest; 0 for one task alone, 1 where all are equal."
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
    shares = {arm.name: shares_of(results.of(arm.name).values()) for arm in results.arms}
    arms = [arm for arm in results.arms if shares[arm.name]]
    if not arms:
        raise ReportError(
            f"no record of {results.manifest.name} holds the costs of sampled preferences; make one with "
            f"`dymu run {results.manifest.target}`."
        )
    resources = in_order({c for found in shares.values() for c in found})
    columns = min(_COLUMNS, len(arms))
    rows = -(-len(arms) // columns)
    width = COLUMN_IN if columns == 1 else PAGE_IN
    notes = wrapped([_EVENNESS, *missing_lines(results)], width)
    height = _ROW_IN * rows + 0.4 + LINE_IN * len(notes)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = [axis for row in panels(figure, rows, columns, sharex=True, sharey=True) for axis in row]
    for axis, arm in zip(axes, arms, strict=False):
        for index, c in enumerate(resources):
            if c in shares[arm.name]:
                preference_SN, share_S = shares[arm.name][c]
                x_S, percent_S = evenness(preference_SN), 100 * share_S
                colour = COLOURS[index % len(COLOURS)]
                axis.plot(
                    x_S, percent_S, ".", color=colour, markersize=1.6, alpha=0.25, mew=0, rasterized=True
                )
                axis.plot(*binned(x_S, percent_S, _BINS), color=colour)
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
        handles = [Line2D([], [], color=COLOURS[i % len(COLOURS)]) for i in range(len(resources))]
        labels = [resource_label(c) for c in resources]
        figure.legend(handles, labels, loc="outside upper right", ncols=len(resources))
    return figure
