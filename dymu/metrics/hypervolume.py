"""Exact hypervolume of a set of loss vectors (Appendix J, Eq. 10).

The volume between a set of points and a reference point that every counted point beats in each coordinate.
Losses are minimised. A point that does not lie strictly below the reference point in every coordinate spans
no volume and is dropped, never clipped. All arithmetic is float64.

Inside this module a point is given by its edges, ``reference - point``: the sides of the box that it spans,
so that joining boxes is an elementwise minimum. Letters: S points, N coordinates (tasks).

Reference: L. While, L. Bradstreet, L. Barone, "A fast way of calculating exact hypervolumes", 2012, for the
recursion of :func:`_by_exclusive_boxes`.
"""

import math

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dymu.errors import SpecError, TrainingError
from dymu.metrics.info import MetricInfo

HYPERVOLUME = MetricInfo(name="hypervolume", higher_is_better=True, lower=0.0)
BEST_POINT_HYPERVOLUME = MetricInfo(name="best_point_hypervolume", higher_is_better=True, lower=0.0)

# moocore's sweeps are made for few coordinates: 20 points take it 0.1 ms in 6-D, 9 ms in 10-D, as long as
# _by_exclusive_boxes in 11-D, and minutes in 20-D (benchmarks/hypervolume.py).
_MAX_SWEEP_COORDINATES = 10
# Enumerating the 2^20 subsets of 20 points in 20-D takes 0.02 s; each further point doubles that.
_MAX_ENUMERATED_POINTS = 20
# Memory for the volumes of all subsets doubles with each point: 8 MiB at 20.
MAX_SUBSET_POINTS = 20
# Subsets are enumerated in blocks whose table of edges stays in the cache.
_BLOCK_POINTS = 10

Floats = NDArray[np.float64]


def hypervolume(points_SN: ArrayLike, reference_N: ArrayLike) -> float:
    """Volume that the points dominate within the reference point.

    In up to 10 coordinates this is moocore's sweep: milliseconds for 20 points, 0.5 s for 40 in 10-D. Beyond,
    time grows with the number of points: on one core 0.03 s for 20 in 20-D, 1.3 s for 30, 6 s for 36.

    Args:
        points_SN: Loss vectors, one a row; no rows give 0.
        reference_N: Upper corner of the box.

    Raises:
        SpecError: If the shapes do not fit or the reference point is not finite.
        TrainingError: If a loss is not finite.
    """
    edges_SN = _nondominated(_edges(points_SN, reference_N))
    num_points, num_coordinates = edges_SN.shape
    if num_points == 0:
        return 0.0
    if num_coordinates <= _MAX_SWEEP_COORDINATES:
        return float(moocore.hypervolume(-edges_SN, ref=np.zeros(num_coordinates)))
    return _by_exclusive_boxes(edges_SN)


def best_point_hypervolume(points_SN: ArrayLike, reference_N: ArrayLike) -> float:
    """Hypervolume of the best single point: what remains when the gain of having many points is set aside.

    Raises:
        SpecError: As :func:`hypervolume`.
        TrainingError: As :func:`hypervolume`.
    """
    return float(_edges(points_SN, reference_N).prod(axis=1).max(initial=0.0))


def subset_hypervolumes(points_SN: ArrayLike, reference_N: ArrayLike) -> Floats:
    """Hypervolume of every subset of the points: what each choice of models would have been worth.

    One pass over all intersections of boxes and one over all subsets: 0.04 s for 20 points in 3-D, whatever
    the number of coordinates up to 20. Sums of both signs leave rounding errors below 1e-9 of the box.

    Args:
        points_SN: Loss vectors, one a row, at most 20.
        reference_N: Upper corner of the box.

    Returns:
        (2^S,) hypervolumes; point s belongs to the subset of an index if bit s of the index is set.

    Raises:
        SpecError: If there are more than 20 points; and as :func:`hypervolume`.
        TrainingError: As :func:`hypervolume`.
    """
    edges_SN = _all_edges(points_SN, reference_N)
    num_points = len(edges_SN)
    if num_points > MAX_SUBSET_POINTS:
        raise SpecError(
            f"{num_points} points have 2^{num_points} subsets; at most {MAX_SUBSET_POINTS} points are "
            "enumerated. Draw subsets and take the hypervolume of each."
        )
    edges_SN = np.where((edges_SN > 0).all(axis=1, keepdims=True), edges_SN, 0.0)
    volumes_T = np.ones(2**num_points)  # of the intersection of all boxes of a subset
    smallest_T = np.full(2**num_points, np.inf)
    signs_T = np.full(2**num_points, -1.0)
    for edges_S in edges_SN.T:
        for point, edge in enumerate(edges_S):
            np.minimum(smallest_T[: 1 << point], edge, out=smallest_T[1 << point : 2 << point])
        volumes_T *= smallest_T
    for point in range(num_points):
        np.negative(signs_T[: 1 << point], out=signs_T[1 << point : 2 << point])
    volumes_T[0] = 0.0  # the empty subset stands for no box
    volumes_T *= signs_T
    for point in range(num_points):  # sums over all subsets of each subset, one point at a time
        without_and_with = volumes_T.reshape(-1, 2, 1 << point)
        without_and_with[:, 1] += without_and_with[:, 0]
    return volumes_T


def hypervolume_info(reference_N: ArrayLike) -> MetricInfo:
    """The range of a hypervolume of non-negative losses: at most the whole box below the reference point."""
    return MetricInfo(
        name=HYPERVOLUME.name,
        higher_is_better=HYPERVOLUME.higher_is_better,
        lower=HYPERVOLUME.lower,
        upper=float(np.prod(np.asarray(reference_N, dtype=np.float64))),
    )


def _edges(points_SN: ArrayLike, reference_N: ArrayLike) -> Floats:
    """Edges of the points that lie strictly below the reference point."""
    edges_SN = _all_edges(points_SN, reference_N)
    return edges_SN[(edges_SN > 0).all(axis=1)]


def _all_edges(points_SN: ArrayLike, reference_N: ArrayLike) -> Floats:
    """Edges of all points, some of them perhaps not positive."""
    reference = np.asarray(reference_N, dtype=np.float64)
    if reference.ndim != 1 or reference.size == 0 or not np.isfinite(reference).all():
        raise SpecError(
            f"reference point is {reference.tolist()}; expected a row of finite numbers, one a task."
        )
    points = np.asarray(points_SN, dtype=np.float64)
    if points.size == 0:
        points = points.reshape(0, reference.size)
    if points.ndim != 2 or points.shape[1] != reference.size:
        raise SpecError(
            f"points have shape {points.shape}, but the reference point has {reference.size} coordinates; "
            "expected one row a point with one loss a task."
        )
    if not np.isfinite(points).all():
        row, column = np.argwhere(~np.isfinite(points))[0].tolist()
        raise TrainingError(
            f"loss {column} of point {row} is {points[row, column]}; a hypervolume needs finite losses."
        )
    return reference - points


def _nondominated(edges_SN: Floats) -> Floats:
    """The distinct points that no other point dominates."""
    edges = np.unique(edges_SN, axis=0)
    covered = np.ones((len(edges), len(edges)), dtype=bool)  # [i, j]: box i lies inside box j
    for column in edges.T:
        covered &= column[:, None] <= column
    np.fill_diagonal(covered, False)
    return edges[~covered.any(axis=1)]


def _by_enumeration(edges_SN: Floats) -> float:
    """Inclusion and exclusion over all 2^S subsets; time grows with 2^S and only linearly with N."""
    num_inner = min(len(edges_SN), _BLOCK_POINTS)
    inner_NT, inner_signs_T = _subsets(edges_SN[:num_inner])
    outer_NT, outer_signs_T = _subsets(edges_SN[num_inner:])
    sums = []
    for index, (outer_N, outer_sign) in enumerate(zip(outer_NT.T, outer_signs_T, strict=True)):
        volumes_T = np.minimum(inner_NT, outer_N[:, None]).prod(axis=0)
        if index == 0:
            volumes_T[0] = 0.0  # the empty subset: its edges are infinite and it stands for no box
        sums.append(-outer_sign * float(inner_signs_T @ volumes_T))
    return math.fsum(sums)


def _subsets(edges_SN: Floats) -> tuple[Floats, Floats]:
    """(N, 2^S) edges of the intersection of every subset, and (2^S,) signs: +1 for even subsets."""
    edges_NT = np.full((edges_SN.shape[1], 1), np.inf)
    signs_T = np.ones(1)
    for edges_N in edges_SN:
        edges_NT = np.concatenate([edges_NT, np.minimum(edges_NT, edges_N[:, None])], axis=1)
        signs_T = np.concatenate([signs_T, -signs_T])
    return edges_NT, signs_T


def _by_exclusive_boxes(edges_SN: Floats) -> float:
    """Sum over the points of the part of each box that no later box covers."""
    if len(edges_SN) <= _MAX_ENUMERATED_POINTS:
        return _by_enumeration(edges_SN)
    # Ordered by one coordinate, the overlaps of a box with later ones dominate each other most.
    edges = edges_SN[np.argsort(edges_SN[:, 0])]
    parts = []
    for index, box in enumerate(edges):
        parts.append(float(box.prod()))
        overlaps = np.minimum(edges[index + 1 :], box)
        if len(overlaps) > 0:
            parts.append(-_by_exclusive_boxes(_nondominated(overlaps)))
    return math.fsum(parts)
