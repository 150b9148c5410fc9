"""How active parameters spread over sampled preferences, per arm and resource preference, for any N."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dymu.errors import ReportError
from dymu.reports.collect import Results
from dymu.reports.figure_notes import LINE_IN, missing_lines, wrapped, write_notes
from dymu.reports.resource_map import shares_of
from dymu.reports.style import COLOURS, COLUMN_IN, shortened

_ROW_IN = 0.42


def cost_distribution(results: Results) -> Figure:
    """Boxes of the middle half, whiskers from the 5th to the 95th percentile, a dot for the mean.

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
    resources = sorted(
        {c for found in shares.values() for c in found}, key=lambda c: -1.0 if c is None else c
    )
    notes = wrapped(missing_lines(results), COLUMN_IN)
    height = _ROW_IN * len(arms) + 0.75 + LINE_IN * len(notes)
    figure = Figure(figsize=(COLUMN_IN, height), layout="constrained")
    axis = figure.subplots()
    height = 0.8 / len(resources)
    for row, arm in enumerate(arms):
        for index, c in enumerate(resources):
            if c not in shares[arm.name]:
                continue
            share_S = 100 * shares[arm.name][c][1]
            low, first, middle, third, high = np.percentile(share_S, [5, 25, 50, 75, 95])
            y = row + height * (index - (len(resources) - 1) / 2)
            colour = COLOURS[index % len(COLOURS)]
            axis.plot([low, high], [y, y], color=colour, linewidth=0.8)
            axis.barh(y, third - first, 0.75 * height, first, color=colour, alpha=0.35, linewidth=0)
            axis.plot([middle, middle], [y - 0.37 * height, y + 0.37 * height], color=colour, linewidth=1.4)
            axis.plot(share_S.mean(), y, "o", color=colour, markersize=2.8)
    axis.set_yticks(range(len(arms)), [shortened(arm.label, 26) for arm in arms])
    axis.tick_params(axis="y", length=0)
    everything = np.concatenate([100 * share_S for found in shares.values() for _, share_S in found.values()])
    axis.set_xlim(everything.min() - 2, everything.max() + 2)
    axis.set_ylim(len(arms) - 0.5, -0.5)
    axis.set_xlabel("active parameters, % of the anchor net")
    if resources != [None]:
        handles = [Patch(color=COLOURS[i % len(COLOURS)], alpha=0.6) for i in range(len(resources))]
        labels = ["no c" if c is None else f"c = {c:g}" for c in resources]
        figure.legend(handles, labels, loc="outside upper center", ncols=len(resources))
    write_notes(figure, notes)
    return figure
