"""Exact hypervolume: dymu beside moocore and Optuna, same points, same process.

    python -m benchmarks.hypervolume

Optuna's function is private and serves as a peer, not as a dependency. Where a peer was measured to take
minutes it is not run, and the line says so.
"""

import math
import time
from collections.abc import Callable

import moocore
import numpy as np
from numpy.typing import NDArray
from optuna._hypervolume.wfg import compute_hypervolume as optuna_hypervolume

from dymu.metrics.hypervolume import hypervolume

Floats = NDArray[np.float64]
Indicator = Callable[[Floats, Floats], float]

# (points, coordinates). The first is the protocol on three tasks, the last on twenty.
SIZES = [(20, 3), (200, 3), (20, 5), (100, 6), (40, 8), (20, 10), (20, 12), (30, 12), (16, 20), (20, 20)]
# Enough calls that timing a sub-millisecond function means something.
LEAST_SECONDS = 0.2
# 20 points in 20-D take moocore about two minutes; 16 in 20-D some seconds.
MOOCORE_MOST = 30 * 12


def front(num_points: int, num_coordinates: int) -> Floats:
    """Mutually non-dominated points in the unit box."""
    directions = np.abs(np.random.default_rng(0).normal(size=(num_points, num_coordinates)))
    points: Floats = 1 - directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return points


def seconds_per_call(function: Indicator, points: Floats, reference: Floats) -> tuple[float, float]:
    """Result and seconds a call, warm."""
    value = function(points, reference)
    calls, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < LEAST_SECONDS or calls == 0:
        function(points, reference)
        calls += 1
    return value, elapsed / calls


def moocore_hypervolume(points: Floats, reference: Floats) -> float:
    """With moocore's own choice of algorithm."""
    return float(moocore.hypervolume(points, ref=reference))


def line(num_points: int, num_coordinates: int) -> str:
    """One row: milliseconds a call and how many times longer each peer takes."""
    points, reference = front(num_points, num_coordinates), np.ones(num_coordinates)
    ours, seconds = seconds_per_call(hypervolume, points, reference)
    cells = [f"{num_points:>6} {num_coordinates:>5} {1e3 * seconds:>12.3f}"]
    peers: list[tuple[Indicator, bool]] = [
        (moocore_hypervolume, num_points * num_coordinates <= MOOCORE_MOST or num_coordinates <= 6),
        (lambda p, r: float(optuna_hypervolume(p, r)), True),
    ]
    for peer, affordable in peers:
        if not affordable:
            cells.append(f"{'not run':>12} {'':>9}")
            continue
        theirs, their_seconds = seconds_per_call(peer, points, reference)
        assert math.isclose(ours, theirs, rel_tol=1e-10), f"results differ: {ours} and {theirs}"
        cells.append(f"{1e3 * their_seconds:>12.3f} {their_seconds / seconds:>8.2f}x")
    return " ".join(cells)


def main() -> None:
    """Print the table; the ratio is the peer's time over ours."""
    print(f"{'points':>6} {'dims':>5} {'dymu ms':>12}", end=" ")
    print(f"{'moocore ms':>12} {'ratio':>9} {'optuna ms':>12} {'ratio':>9}")
    for num_points, num_coordinates in SIZES:
        print(line(num_points, num_coordinates), flush=True)


if __name__ == "__main__":
    main()
