"""Figures 5 and 9 to 12: which share of the anchor net is active, over the triangle of 3 preferences."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from mpltern import TernaryAxes
from numpy.typing import NDArray

from dymu.artifacts.manifest import ManifestArm
from dymu.artifacts.record import Record
from dymu.errors import ReportError
from dymu.reports.collect import Results
from dymu.reports.figure_notes import LINE_IN, in_order, missing_lines, resource_label, wrapped, write_notes
from dymu.reports.over_seeds import over_seeds
from dymu.reports.style import COLUMN_IN, MAP_COLOURS, shortened, task_text

Floats = NDArray[np.float64]
Shares = Mapping[float | None, tuple[Floats, Floats]]
"""Resource preference to (S, N) preferences and (S,) active shares."""

_SIDE = 40  # triangles along a side; 1600 in all show each of the paper's 1000 preferences
_PIXELS = 8 * _SIDE  # along a side, a little more than a picture of one column has
_ROW_IN = 1.42
_FLAT = 0.1  # of the scale if all shares are the same
# Where the names of the tasks stand, and how they are aligned there.
_CORNERS = (
    ((1.08, -0.04, -0.04), "center", "bottom"),
    ((-0.05, 1.1, -0.05), "left", "top"),
    ((-0.05, -0.05, 1.1), "right", "top"),
)


def resource_map(results: Results) -> Figure:
    """One row per arm, one column per resource preference, one colour scale for all.

    Seeds are averaged; the number in a panel is the mean over the triangle's sampled preferences. Beside
    methods that have a resource preference, one that always runs the same stands in a note.

    Raises:
        ReportError: If the study has not three tasks, or no record has costs.
    """
    if len(results.tasks) != 3:
        raise ReportError(
            f"a resource map is a triangle and needs three tasks; {results.manifest.study} has "
            f"{len(results.tasks)} ({', '.join(results.tasks)}). Draw resource_entropy instead."
        )
    shares = shares_by_arm(results)
    arms, constant = apart(results, shares)
    resources = in_order({c for arm in arms for c in shares[arm.name]})
    if len(resources) > 1 and None in resources:  # methods without c stand in the first column
        resources.remove(None)
    scale = _scale(values for arm in arms for _, values in shares[arm.name].values())
    notes = wrapped([*constant, *missing_lines(results)], COLUMN_IN)
    height = _ROW_IN * len(arms) + 0.75 + LINE_IN * len(notes)
    figure = Figure(figsize=(COLUMN_IN, height), layout="constrained")
    grid = figure.add_gridspec(len(arms), len(resources))
    pictures = _pictures({arm.name: shares[arm.name] for arm in arms})
    for row, arm in enumerate(arms):
        named = False
        for column, c in enumerate(resources):
            shown = c if c in shares[arm.name] or column > 0 else None
            if shown not in shares[arm.name]:
                continue
            axis: TernaryAxes = figure.add_subplot(grid[row, column], projection="ternary")
            axis.imshow(
                pictures[arm.name, shown],
                cmap=MAP_COLOURS,
                norm=scale,
                aspect="equal",
                extent=(0, 1, 0, 1),
                transform=axis.transAxes,
                origin="lower",
                interpolation="none",
            )
            _name_corners(axis, results.tasks)
            _write_share(axis, float(shares[arm.name][shown][1].mean()))
            if row == 0 and c is not None:
                axis.set_title(resource_label(c), pad=15)
            if not named:
                _name_row(axis, arm)
                named = True
    bar = figure.colorbar(
        ScalarMappable(scale, MAP_COLOURS), ax=figure.axes, location="bottom", shrink=0.7, aspect=28, pad=0.02
    )
    bar.ax.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    bar.set_label("active parameters as part of the anchor net")
    bar.outline.set_linewidth(0.5)
    write_notes(figure, notes)
    return figure


def shares_by_arm(results: Results) -> dict[str, Shares]:
    """Active shares of each arm that was measured.

    Raises:
        ReportError: If no record has costs.
    """
    measured = {arm.name: shares_of(results.of(arm.name).values()) for arm in results.arms}
    shares: dict[str, Shares] = {name: found for name, found in measured.items() if found}
    if not shares:
        raise ReportError(
            f"no record of {results.manifest.name} holds the costs of sampled preferences; make one with "
            f"`dymu run {results.manifest.target}`."
        )
    return shares


def apart(results: Results, shares: Mapping[str, Shares]) -> tuple[list[ManifestArm], Sequence[str]]:
    """Measured arms to draw, and a line on those that always run the same, if others have a preference c."""
    arms = [arm for arm in results.arms if arm.name in shares]
    same: dict[str, list[str]] = {}
    for arm in arms:
        found = shares[arm.name]
        if None in found and np.ptp(found[None][1]) == 0:
            same.setdefault(f"{100 * found[None][1][0]:.0f} %", []).append(arm.name)
    names = {name for group in same.values() for name in group}
    varied = [arm for arm in arms if arm.name not in names]
    if not varied:
        return arms, ()
    lines = [
        f"{', '.join(results.arm(name).label for name in group)}: {share} at every preference."
        for share, group in same.items()
    ]
    return varied, lines


def shares_of(records: Iterable[Record]) -> dict[float | None, tuple[Floats, Floats]]:
    """Active share of the anchor net at the sampled preferences.

    Args:
        records: Of one arm, one per seed.

    Returns:
        Resource preference to (S, N) preferences and (S,) shares. Seeds that were measured at the same
        preferences are averaged, others are put one after the other.
    """
    samples: dict[float | None, list[tuple[Floats, Floats]]] = {}
    for record in records:
        for point in record.points:
            if point.cost_parameters:
                share_S = np.asarray(point.cost_parameters, dtype=np.float64) / record.anchor_parameters
                preference_SN = np.asarray(point.cost_preferences, dtype=np.float64)
                samples.setdefault(point.resource_preference, []).append((preference_SN, share_S))
    return {c: over_seeds(found) for c, found in samples.items()}


def lattice(side: int) -> tuple[Floats, NDArray[np.int64]]:
    """Corners and triangles of a regular division of the simplex of three tasks.

    Args:
        side: Triangles along a side.

    Returns:
        (V, 3) points that sum to one, and (side * side, 3) indices of corners.
    """
    index: dict[tuple[int, int], int] = {}
    for i in range(side + 1):
        for j in range(side + 1 - i):
            index[i, j] = len(index)
    points = [(i / side, j / side, 1 - (i + j) / side) for i, j in index]
    upright = [(index[i, j], index[i + 1, j], index[i, j + 1]) for i, j in index if i + j < side]
    inverted = [(index[i + 1, j], index[i + 1, j + 1], index[i, j + 1]) for i, j in index if i + j < side - 1]
    return np.array(points), np.array(upright + inverted)


def nearest_samples(preference_SN: Floats, side: int) -> NDArray[np.int64]:
    """(side * side,) index of the sample nearest to the centre of each triangle of the lattice."""
    points_VN, triangles = lattice(side)
    centre_TN = points_VN[triangles].mean(axis=1)
    # Squared distances up to a term that is the same for all samples.
    distance_TS = np.square(preference_SN).sum(axis=1) - 2 * centre_TN @ preference_SN.T
    return np.asarray(distance_TS.argmin(axis=1), dtype=np.int64)


@cache
def pixel_triangles(side: int, pixels: int) -> NDArray[np.int64]:
    """(pixels, pixels) triangle of the lattice under each pixel of the square around it, from below.

    The first corner of the simplex is above in the middle, the second below at the left. A pixel outside the
    triangle has one at its edge: who draws the picture cuts it there.
    """
    up, across = np.meshgrid(*2 * [(np.arange(pixels) + 0.5) / pixels], indexing="ij")
    second = np.clip(1 - across - up / 2, 0, 1 - up)
    first_i, second_j = (np.floor(side * part).astype(np.int64) for part in (up, second))
    second_j = np.minimum(second_j, side - 1 - first_i)
    inverted = (side * up - first_i) + (side * second - second_j) > 1
    inverted &= first_i + second_j < side - 1
    # Rows of upright triangles have side, side - 1, ... of them; inverted ones stand behind all these.
    upright_at = first_i * side - first_i * (first_i - 1) // 2 + second_j
    inverted_at = side * (side + 1) // 2 + upright_at - first_i
    return np.where(inverted, inverted_at, upright_at)


def _pictures(shares: Mapping[str, Shares]) -> dict[tuple[str, float | None], Floats]:
    """Arm and resource preference to a (_PIXELS, _PIXELS) picture of the shares."""
    nearest: dict[bytes, NDArray[np.int64]] = {}  # arms are mostly measured at the same preferences
    pictures = {}
    for name, found in shares.items():
        for c, (preference_SN, share_S) in found.items():
            key = preference_SN.tobytes()
            if key not in nearest:
                nearest[key] = nearest_samples(preference_SN, _SIDE)[pixel_triangles(_SIDE, _PIXELS)]
            pictures[name, c] = share_S[nearest[key]]
    return pictures


def _scale(values: Iterable[Floats]) -> Normalize:
    everything = np.concatenate(list(values))
    low, high = float(everything.min()), float(everything.max())
    return Normalize(low if high > low else high - _FLAT, high)


def _name_corners(axis: TernaryAxes, tasks: Sequence[str]) -> None:
    for side in (axis.taxis, axis.laxis, axis.raxis):
        side.set_visible(False)
    for (corner, across, up), task in zip(_CORNERS, tasks, strict=True):
        axis.text(*corner, task_text(task, 14), ha=across, va=up, fontsize=6.5)


def _write_share(axis: TernaryAxes, share: float) -> None:
    axis.annotate(
        f"{100 * share:.0f} %", (1.0, 0.95), xycoords="axes fraction", ha="right", va="top", fontsize=6.5
    )


def _name_row(axis: TernaryAxes, arm: ManifestArm) -> None:
    axis.annotate(
        shortened(arm.label, 22),
        (-0.16, 0.5),
        xycoords="axes fraction",
        rotation=90,
        ha="center",
        va="center",
        annotation_clip=False,
    )
