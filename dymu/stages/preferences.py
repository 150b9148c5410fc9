"""Drawing preferences (Appendix G, Preference sampling)."""

import numpy as np
import torch
from torch import Tensor


def draw_preferences(
    count: int, *, num_tasks: int, concentration: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Training preferences.

    Args:
        count: P.
        num_tasks: N.
        concentration: Of the symmetric Dirichlet distribution (eta in the paper).
        rng: Source of the draws.

    Returns:
        Task preferences (P, N), rows on the simplex, and resource preferences (P,) uniform on [0, 1].
    """
    task_preference_PN = rng.dirichlet([concentration] * num_tasks, size=count)
    resource_preference_P = rng.uniform(size=count)
    return (
        torch.from_numpy(task_preference_PN).to(torch.float32),
        torch.from_numpy(resource_preference_P).to(torch.float32),
    )
