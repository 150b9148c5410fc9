"""Does one quantity rise with another? Rank correlation, and the entropy of a preference."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dymu.errors import SpecError
from dymu.metrics.info import MetricInfo

# Cost should peak at dense preferences (Figure 5): a large value means control, a small one is no defect.
ENTROPY_COST_CORRELATION = MetricInfo(
    name="entropy_cost_correlation", higher_is_better=None, lower=-1.0, upper=1.0
)
# A task's loss should fall as its preference rises (Figure 7).
PREFERENCE_LOSS_CORRELATION = MetricInfo(
    name="preference_loss_correlation", higher_is_better=False, lower=-1.0, upper=1.0
)


def spearman(first_S: ArrayLike, second_S: ArrayLike) -> float | None:
    """Spearman's rank correlation; tied values share their mean rank.

    Returns:
        A number in [-1, 1], or ``None`` where it is undefined: fewer than two values, or one of the two
        quantities is constant (for instance the cost of a controller that always gives the same tree).

    Raises:
        SpecError: If the lengths differ or a value is not finite.
    """
    from scipy.stats import spearmanr  # noqa: PLC0415 - two thirds of a second; studies import this module

    first = np.asarray(first_S, dtype=np.float64)
    second = np.asarray(second_S, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise SpecError(f"cannot correlate shapes {first.shape} and {second.shape}; expected two equal rows.")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise SpecError("cannot correlate values that are not finite.")
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.clip(spearmanr(first, second).statistic, -1.0, 1.0))


def entropy(preferences_SN: ArrayLike) -> NDArray[np.float64]:
    """(S,) entropy of each preference in nats: 0 for one task only, ln N for equal preferences."""
    from scipy.special import xlogy  # noqa: PLC0415 - for the same reason

    preferences = np.asarray(preferences_SN, dtype=np.float64)
    value_S: NDArray[np.float64] = -xlogy(preferences, preferences).sum(axis=-1)
    return value_S
