"""Predicted architectures at recorded preferences: which nodes of the anchor net run, and who reads whom."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dymu.artifacts.record import Point, Record

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PredictedTree:
    """The architecture at one recorded preference.

    Attributes:
        preference: Task preferences.
        c: Resource preference.
        paths_NL: Stream of each task's path at each layer, layer 0 first.
        num_streams: Streams of the anchor net.
        seed: Seed of the record.
        share: Active parameters as part of the anchor net; ``None`` if not recorded.
    """

    preference: tuple[float, ...]
    c: float | None
    paths_NL: Integers
    num_streams: int
    seed: int
    share: float | None

    @property
    def used(self) -> dict[tuple[int, int], tuple[int, ...]]:
        """(Layer, stream) of each node that runs to the tasks whose path has it, in order."""
        found: dict[tuple[int, int], list[int]] = {}
        for task, path in enumerate(self.paths_NL.tolist()):
            for layer, stream in enumerate(path):
                found.setdefault((layer, stream), []).append(task)
        return {node: tuple(tasks) for node, tasks in found.items()}


def paths_of(parents_LN: Sequence[Sequence[int]]) -> Integers:
    """(N, L) streams through which each head's features pass, layer 0 first.

    Args:
        parents_LN: ``parents_LN[l][j] = i``: node j of layer l + 1 reads node i of layer l; layer L are
            the heads.
    """
    current = list(parents_LN[-1])
    layers = [current]
    for row in reversed(parents_LN[:-1]):
        current = [row[stream] for stream in current]
        layers.append(current)
    return np.array(layers[::-1]).T


def tree_at(record: Record, point: Point, index: int) -> PredictedTree:
    """The tree of one of a point's preferences."""
    parents_LN = point.parents[index]
    share = point.parameters[index] / record.anchor_parameters if point.parameters else None
    return PredictedTree(
        preference=tuple(point.preferences[index]),
        c=point.resource_preference,
        paths_NL=paths_of(parents_LN),
        num_streams=len(parents_LN[0]),
        seed=record.seed,
        share=share,
    )


def nearest_preference(preferences_SN: Sequence[Sequence[float]], target: Sequence[float]) -> int:
    """Index of the preference with the least Euclidean distance to a target; the first of equals."""
    rows = np.asarray(preferences_SN, dtype=np.float64)
    return int(np.square(rows - np.asarray(target)).sum(axis=1).argmin())


def uniform(num_tasks: int) -> tuple[float, ...]:
    """The preference that weighs all tasks alike."""
    return (1 / num_tasks,) * num_tasks


def corner(task: int, num_tasks: int) -> tuple[float, ...]:
    """The preference for one task alone."""
    return tuple(float(other == task) for other in range(num_tasks))
