"""The preferences at which every method is judged, whatever its seed (docs/protocol.md, nos. 33 and 34)."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dymu.spec.evaluation import EvaluationConfig

_ALL_PAIRS_UP_TO = 5  # tasks, which have ten pairs; twenty have 190


def evaluation_preferences(protocol: EvaluationConfig, *, num_tasks: int) -> NDArray[np.float64]:
    """(S, N) uniform on the simplex; the preferences behind hypervolume and uniformity."""
    return _uniform(protocol.num_preferences, num_tasks, protocol.preference_seed, "evaluation")


def cost_preferences(protocol: EvaluationConfig, *, num_tasks: int) -> NDArray[np.float64]:
    """(num_cost_preferences, N) uniform on the simplex; the preferences over which cost is averaged."""
    return _uniform(protocol.num_cost_preferences, num_tasks, protocol.preference_seed, "cost")


def pair_preferences(protocol: EvaluationConfig, *, tasks: Sequence[str]) -> NDArray[np.float64]:
    """(K, N) preferences that two tasks share evenly spaced, all others having 0 (Figures 13 and 14).

    Pair by pair, from the first task alone to the second alone. A task alone stands there once, however many
    pairs it is in.

    Args:
        protocol: How many preferences a pair has, and which pairs (``EvaluationConfig.pairs``).
        tasks: Names of the tasks, in order.
    """
    rows: dict[tuple[float, ...], None] = {}
    parts = np.linspace(0.0, 1.0, protocol.pair_preferences).round(6).tolist()
    for one, other in _pairs(protocol, tasks) if parts else ():
        for part in parts:
            row = [0.0] * len(tasks)
            row[one], row[other] = round(1.0 - part, 6), part
            rows[tuple(row)] = None
    return np.array(list(rows), dtype=np.float64).reshape(len(rows), len(tasks))


def _pairs(protocol: EvaluationConfig, tasks: Sequence[str]) -> Sequence[tuple[int, int]]:
    """Positions of the tasks of each pair."""
    numbers = range(len(tasks))
    if protocol.pairs:
        place = {name: number for number, name in enumerate(tasks)}
        return [(place[one], place[other]) for one, other in protocol.pairs]
    if len(tasks) <= _ALL_PAIRS_UP_TO:
        return list(combinations(numbers, 2))
    return list(zip(numbers[::2], numbers[1::2], strict=False))  # the last of an odd number has no partner


def _uniform(count: int, num_tasks: int, seed: int, purpose: str) -> NDArray[np.float64]:
    rng = np.random.default_rng([seed, *purpose.encode()])
    return rng.dirichlet(np.ones(num_tasks), size=count).round(6)
