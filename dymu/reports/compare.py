"""Means, intervals and paired comparisons over seeds.

Intervals are Student's t: with the three to five seeds of a study a bootstrap of the few values at hand is
too narrow. Tests flip the signs of the paired differences in all ways, which assumes nothing but that a
difference and its negative are equally likely if the arm changes nothing.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dymu.errors import ReportError

CONFIDENCE = 0.95
ROUNDING = 1e-9  # differences that are smaller parts of a number are none
MAX_SEEDS = 40  # 2^20 sums on either side: a second


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: The mean.
        half_width: Half of the 95 % t-interval; ``None`` for a single seed.
        n: Number of seeds.
    """

    mean: float
    half_width: float | None
    n: int

    @property
    def exact(self) -> bool:
        """Whether there is no interval worth printing: a single seed, or values that differ by rounding."""
        return not self.half_width or self.half_width <= ROUNDING * abs(self.mean)

    @property
    def lower(self) -> float | None:
        """Lower end of the interval."""
        return None if self.half_width is None else self.mean - self.half_width

    @property
    def upper(self) -> float | None:
        """Upper end of the interval."""
        return None if self.half_width is None else self.mean + self.half_width


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Differences of two arms, or of two values of one arm, at the same seeds.

    Attributes:
        seeds: Seeds that have both values.
        differences: At each of them.
        estimate: Their mean and interval.
        p: Two-sided exact sign-flip permutation p; ``None`` without seeds.
        smallest_p: The smallest p that this many seeds can give.
    """

    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    estimate: Estimate | None
    p: float | None
    smallest_p: float | None

    @property
    def n(self) -> int:
        """Number of pairs."""
        return len(self.seeds)


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and 95 % t-interval.

    Args:
        values: At least one number.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - a fifth of a second that figures do not need

    n = len(values)
    mean = statistics.fmean(values)
    if n < 2:
        return Estimate(mean=mean, half_width=None, n=n)
    quantile = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2))
    return Estimate(mean=mean, half_width=quantile * statistics.stdev(values) / math.sqrt(n), n=n)


def paired(values: Mapping[int, float], against: Mapping[int, float]) -> Comparison:
    """Compare two sets of values, seed by seed; seeds that only one of them has are left out.

    Args:
        values: Seed to value.
        against: Seed to value; the differences are ``values`` minus this.
    """
    seeds = tuple(sorted(set(values) & set(against)))
    differences = tuple(values[seed] - against[seed] for seed in seeds)
    if not seeds:
        return Comparison(seeds=(), differences=(), estimate=None, p=None, smallest_p=None)
    return Comparison(
        seeds=seeds,
        differences=differences,
        estimate=estimate(differences),
        p=sign_flip_p(differences),
        smallest_p=smallest_p(len(seeds)),
    )


def smallest_p(n: int) -> float:
    """The smallest two-sided p that n sign flips can give: 2 of 2^n."""
    return min(1.0, 2.0 ** (1 - n))


def sign_flip_p(differences: Sequence[float]) -> float:
    """Exact two-sided p: the share of sign patterns whose sum is at least as far from zero.

    Raises:
        ReportError: For more than 40 differences; enumerating would take too long.
    """
    n = len(differences)
    if n > MAX_SEEDS:
        raise ReportError(f"the exact test takes at most {MAX_SEEDS} seeds, got {n}; compare fewer seeds.")
    sizes = np.abs(np.asarray(differences, dtype=np.float64))
    observed = abs(float(np.sum(np.asarray(differences, dtype=np.float64))))
    # Sums that differ by rounding only are one sum.
    threshold = observed - ROUNDING * float(np.sum(sizes))
    if threshold <= 0:
        return 1.0
    left, right = _signed_sums(sizes[: n // 2]), np.sort(_signed_sums(sizes[n // 2 :]))
    reach = len(right) - np.searchsorted(right, threshold - left, side="left")
    return 2 * float(np.sum(reach)) / 2.0**n


def _signed_sums(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums - size, sums + size])
    return sums
