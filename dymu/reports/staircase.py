"""Geometry of a union of boxes that share their upper corner, in two and three dimensions."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

_UP = np.array([90.0, 210.0, 330.0]) * np.pi / 180
_AXES = np.stack([np.cos(_UP), np.sin(_UP)], axis=1)  # (3, 2): where the axes of the cube point in a picture


def dominating(points_KN: Floats, reference: Sequence[float]) -> Floats:
    """Points that lie below the reference in every coordinate and that no other point dominates.

    Args:
        points_KN: Losses; lower is better.
        reference: Upper corner of the boxes.

    Returns:
        (K', N) points by their first coordinates, each once.
    """
    inside = np.unique(points_KN[(points_KN < np.asarray(reference)).all(axis=1)], axis=0)
    no_worse = (inside[:, None] <= inside[None]).all(axis=2)
    return inside[no_worse.sum(axis=0) == 1]  # only by itself


def staircase(points_K2: Floats, reference: Sequence[float]) -> Floats:
    """(C, 2) corners of the union of boxes in the plane, once around.

    Args:
        points_K2: Points of which none dominates another, by their first coordinate.
        reference: Upper corner of the boxes.
    """
    right, top = reference
    if not len(points_K2):
        return np.array([[right, top]])
    corners = [(points_K2[0, 0], top)]
    for (x, y), (following, _) in zip(points_K2, [*points_K2[1:], (right, None)], strict=True):
        corners += [(x, y), (following, y)]
    return np.array([*corners, (right, top)])


def surface(
    points_K3: Floats, reference: Sequence[float], lower: Sequence[float], across: int
) -> tuple[Floats, Booleans]:
    """Faces of the union of boxes in space that stand across one axis, as seen from below.

    Args:
        points_K3: Points of which none dominates another.
        reference: Upper corner of the boxes.
        lower: Lower corner of what is shown.
        across: The axis.

    Returns:
        (F, 4, 3) corners of rectangles that cover the square of the other two axes once, and for each
        whether it is a wall at the reference, where nothing is attained.
    """
    first, second = (axis for axis in range(3) if axis != across)
    first_A, second_B = (
        np.unique([lower[axis], *points_K3[:, axis], reference[axis]]) for axis in (first, second)
    )
    # A cell is below all points that begin before it; the lowest of them is what one sees.
    begun_KAB = (points_K3[:, first, None, None] <= first_A[:-1, None]) & (
        points_K3[:, second, None, None] <= second_B[None, :-1]
    )
    height_KAB = np.where(begun_KAB, points_K3[:, across, None, None], reference[across])
    height_AB = height_KAB.min(axis=0) if len(points_K3) else np.full((1, 1), reference[across])
    rectangles = list(_rectangles(height_AB))
    faces = np.empty((len(rectangles), 4, 3))
    for face, (a, b, height) in zip(faces, rectangles, strict=True):
        face[:, across] = height
        face[:, first] = first_A[[a.start, a.stop, a.stop, a.start]]
        face[:, second] = second_B[[b.start, b.start, b.stop, b.stop]]
    return faces, np.array([height >= reference[across] for _, _, height in rectangles])


def _rectangles(value_AB: Floats) -> Iterator[tuple[range, range, float]]:
    """Rectangles of equal values that cover a grid once: runs of a row, together with equal runs below."""
    open_runs: dict[tuple[int, int, float], int] = {}  # (begin, end, value) to the row in which it began
    for row in range(len(value_AB) + 1):
        runs = set(_runs(value_AB[row])) if row < len(value_AB) else set()
        for run in [run for run in open_runs if run not in runs]:
            yield range(open_runs.pop(run), row), range(run[0], run[1]), run[2]
        for run in runs:
            open_runs.setdefault(run, row)


def _runs(value_B: Floats) -> Iterator[tuple[int, int, float]]:
    breaks = [0, *(np.flatnonzero(np.diff(value_B)) + 1).tolist(), len(value_B)]
    for begin, end in pairwise(breaks):
        yield begin, end, float(value_B[begin])


def project(points_C3: Floats) -> Floats:
    """(.., 2) points of space seen along the diagonal of a cube, from its lower corner.

    The lower corner is the middle of the picture and the axes point up, down left and down right. A line
    along the diagonal meets the surface of a union of boxes once, so no face hides another.
    """
    flat: Floats = points_C3 @ _AXES
    return flat
