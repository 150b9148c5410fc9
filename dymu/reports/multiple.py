"""Adjusting the p of a table for the number of its tests.

Reference: Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", 1995.
"""

from collections.abc import Sequence

import numpy as np

from dymu.errors import ReportError


def benjamini_hochberg(ps: Sequence[float]) -> tuple[float, ...]:
    """The least false discovery rate at which each test would count as a discovery.

    The k-th smallest of m values becomes ``min over j >= k of m p_(j) / j``, at most 1. Sound for tests that
    are independent or positively dependent, such as arms that share a baseline.

    Args:
        ps: Of all tests of one table, also of those that showed nothing.

    Returns:
        Adjusted values in the order given; each is at least the value it came from.

    Raises:
        ReportError: If a value is no probability.
    """
    wrong = [p for p in ps if not 0 <= p <= 1]
    if wrong:
        raise ReportError(f"p is {wrong[0]}; expected numbers from 0 to 1.")
    count = len(ps)
    values = np.asarray(ps, dtype=np.float64)
    order = np.argsort(values)
    scaled = values[order] * count / np.arange(1, count + 1)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return tuple(adjusted.tolist())
