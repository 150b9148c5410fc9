"""Uniformity: how well losses follow the task preference (Section 4.1).

One minus the Kullback-Leibler divergence, natural logarithm, of the shares ``r_j L_j / sum_i r_i L_i`` from
the uniform distribution. Losses are the scaled ones. The range is [1 - ln N, 1]; it is 1 exactly when all
``preference * loss`` agree. A model that ignores the preference does not score 0: see
:func:`uniformity_floor`. Letters: S preferences, N tasks. All arithmetic is float64.

Reference: D. Mahapatra, V. Rajan, "Multi-task learning with user preferences", 2020.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dymu.errors import SpecError, TrainingError
from dymu.metrics.info import MetricInfo

UNIFORMITY = MetricInfo(name="uniformity", higher_is_better=True, upper=1.0)
UNIFORMITY_FLOOR = MetricInfo(name="uniformity_floor", higher_is_better=None, upper=1.0)


def uniformity_info(num_tasks: int) -> MetricInfo:
    """The range of the uniformity of N tasks."""
    return MetricInfo(
        name=UNIFORMITY.name,
        higher_is_better=UNIFORMITY.higher_is_better,
        lower=1 - math.log(num_tasks),
        upper=UNIFORMITY.upper,
    )


def uniformity(losses_SN: ArrayLike, preferences_SN: ArrayLike) -> NDArray[np.float64]:
    """Uniformity at each preference.

    Args:
        losses_SN: Scaled losses, not negative.
        preferences_SN: Task preferences, not negative; a row need not sum to one. A task of preference 0
            contributes 0.

    Returns:
        (S,) values.

    Raises:
        SpecError: If the shapes differ, or a preference is negative or not finite.
        TrainingError: If a loss is negative or not finite, or if all preferred tasks of a row have loss 0,
            where uniformity is undefined.
    """
    from scipy.special import xlogy  # noqa: PLC0415 - a fifth of a second that figures do not need

    losses = np.asarray(losses_SN, dtype=np.float64)
    preferences = np.asarray(preferences_SN, dtype=np.float64)
    if losses.ndim != 2 or losses.shape != preferences.shape:
        raise SpecError(
            f"losses have shape {losses.shape} and preferences {preferences.shape}; expected the same (S, N)."
        )
    if not (np.isfinite(preferences) & (preferences >= 0)).all():
        raise SpecError("a task preference is negative or not finite; preferences lie on the simplex.")
    wrong = ~(np.isfinite(losses) & (losses >= 0))
    if wrong.any():
        row, task = np.argwhere(wrong)[0].tolist()
        raise TrainingError(
            f"loss {task} at preference {row} is {losses[row, task]}; uniformity needs finite losses >= 0."
        )
    weighted_SN = preferences * losses
    total_S1 = weighted_SN.sum(axis=1, keepdims=True)
    if (total_S1 == 0).any():
        row = int(np.argmin(total_S1[:, 0]))
        raise TrainingError(
            f"all tasks preferred by preference {row} have loss 0, where uniformity is undefined; "
            "use a larger test split."
        )
    shares_SN = weighted_SN / total_S1
    divergence_S: NDArray[np.float64] = xlogy(shares_SN, shares_SN * losses.shape[1]).sum(axis=1)
    return 1 - divergence_S


def uniformity_floor(num_tasks: int) -> float:
    """Expected uniformity of equal losses over preferences drawn uniformly from the simplex.

    ``1 - (ln N - (H_N - 1))`` with the harmonic number H_N: what a model scores that ignores the preference.
    """
    harmonic = math.fsum(1 / k for k in range(1, num_tasks + 1))
    return 1 - (math.log(num_tasks) - (harmonic - 1))


def floor_at(preferences_SN: ArrayLike) -> float:
    """Mean uniformity of equal losses at these very preferences.

    Its distance from :func:`uniformity_floor` is the luck of the draw: with 20 preferences its standard
    deviation is .044, .042 and .025 for 3, 5 and 20 tasks.

    Raises:
        SpecError: As :func:`uniformity`.
    """
    preferences = np.asarray(preferences_SN, dtype=np.float64)
    return float(uniformity(np.ones_like(preferences), preferences).mean())
