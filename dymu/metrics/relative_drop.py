"""Relative performance drop Delta_T against single-task networks (Tables 5 and 7).

Reference: K.-K. Maninis, I. Radosavovic, I. Kokkinos, "Attentive single-tasking of multiple tasks", 2019.
"""

from collections.abc import Sequence

from dymu.errors import SpecError
from dymu.metrics.info import MetricInfo

RELATIVE_DROP = MetricInfo(name="relative_drop", unit="%", higher_is_better=True)


def relative_drop(
    metrics_N: Sequence[float], *, baselines_N: Sequence[float], higher_is_better_N: Sequence[bool]
) -> float:
    """Mean relative change against the baselines in percent; positive means better than they are.

    Args:
        metrics_N: One metric a task.
        baselines_N: The same metrics of the single-task networks.
        higher_is_better_N: Direction of each metric.

    Raises:
        SpecError: If the lengths differ or are zero, or a baseline is zero.
    """
    lengths = (len(metrics_N), len(baselines_N), len(higher_is_better_N))
    if len(set(lengths)) != 1 or lengths[0] == 0:
        raise SpecError(
            f"metrics, baselines and directions have lengths {lengths}; expected one each a task."
        )
    if 0 in baselines_N:
        raise SpecError(f"baselines are {list(baselines_N)}; a change relative to 0 is undefined.")
    changes = [
        (metric - baseline) / abs(baseline) * (1 if higher else -1)
        for metric, baseline, higher in zip(metrics_N, baselines_N, higher_is_better_N, strict=True)
    ]
    return 100 * sum(changes) / len(changes)
