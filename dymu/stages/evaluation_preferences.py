"""The preferences at which every method is judged, whatever its seed (docs/protocol.md, nos. 33 and 34)."""

import numpy as np
from numpy.typing import NDArray

from dymu.spec.evaluation import EvaluationConfig


def evaluation_preferences(protocol: EvaluationConfig, *, num_tasks: int) -> NDArray[np.float64]:
    """(S, N) uniform on the simplex; the preferences behind hypervolume and uniformity."""
    return _uniform(protocol.num_preferences, num_tasks, protocol.preference_seed, "evaluation")


def cost_preferences(protocol: EvaluationConfig, *, num_tasks: int) -> NDArray[np.float64]:
    """(num_cost_preferences, N) uniform on the simplex; the preferences over which cost is averaged."""
    return _uniform(protocol.num_cost_preferences, num_tasks, protocol.preference_seed, "cost")


def _uniform(count: int, num_tasks: int, seed: int, purpose: str) -> NDArray[np.float64]:
    rng = np.random.default_rng([seed, *purpose.encode()])
    return rng.dirichlet(np.ones(num_tasks), size=count).round(6)
