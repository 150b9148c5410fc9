"""What figures show of several seeds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def over_seeds(samples: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Means over seeds at each preference.

    Args:
        samples: For each seed (S, N) preferences and what was measured at them, (S,) or (S, M).

    Returns:
        Preferences and measurements: means where all seeds have the same preferences in the same order,
        otherwise all seeds one after the other.
    """
    first_SN, _ = samples[0]
    if all(np.array_equal(preference_SN, first_SN) for preference_SN, _ in samples):
        return first_SN, np.mean([measured for _, measured in samples], axis=0)
    return np.concatenate([p for p, _ in samples]), np.concatenate([measured for _, measured in samples])
