"""A measure that compares two settings: what the resource preference costs in each."""

from collections.abc import Mapping

from dymu.reports.checks import Amount, Between, Case, Margins, Measured, frugal, rich
from dymu.spec.ablation import BASELINE

SINGLE_TASK = "single-task"
ARMS = (BASELINE, SINGLE_TASK)
"""What it needs of each setting."""

_HYPERVOLUME = "hypervolume"


def wider_range_with_own_features(*, relative: bool) -> Between:
    """Hypervolume falls more from the smallest to the largest c where features of single tasks are useful.

    They are where the single-task nets are above the controller at its largest c at every seed, and they are
    not where these are below it at every seed. Settings share no random numbers; seeds are paired by number.

    Args:
        relative: Whether falls are parts of the hypervolume at the smallest c. Settings have numbers of tasks
            and reference points of their own, so that their hypervolumes have no common unit.
    """

    def measure(one: Case, two: Case | None) -> Measured:
        cases = [one] if two is None else [one, two]
        if not all(each.has_two_ends for each in cases):
            return "only one resource preference was measured"
        leads = [_difference(rich(_HYPERVOLUME, SINGLE_TASK), frugal(_HYPERVOLUME), each) for each in cases]
        names = [each.results.manifest.study for each in cases]
        for name, lead in zip(names, leads, strict=True):
            if len({x > 0 for x in lead.values()}) > 1:
                return f"the single-task nets of {name} are above its c = 1 at some seeds and below at others"
        if two is None or not all(leads):
            return Margins(by_seed={})
        useful = [min(lead.values()) > 0 for lead in leads]
        if useful[0] == useful[1]:
            return (
                f"single-task nets are {'above' if useful[0] else 'below'} c = 1 in {' and in '.join(names)}"
            )
        return _margins(*((one, two) if useful[0] else (two, one)), relative=relative)

    return measure


def _margins(wide: Case, narrow: Case, *, relative: bool) -> Measured:
    printed = [_printed_fall(each, relative=relative) for each in (wide, narrow)]
    paper = None if printed[0] is None or printed[1] is None else printed[0] - printed[1]
    if paper is not None and paper < 0:
        return f"the paper prints falls of {printed[0]:.3g} and {printed[1]:.3g} for these settings"
    falls, others = (_fall(each, relative=relative) for each in (wide, narrow))
    return Margins(
        by_seed={seed: falls[seed] - others[seed] for seed in falls if seed in others}, paper=paper
    )


def _fall(case: Case, *, relative: bool) -> Mapping[int, float]:
    found = _difference(rich(_HYPERVOLUME), frugal(_HYPERVOLUME), case)
    if not relative:
        return found
    whole = rich(_HYPERVOLUME).measured(case)
    return {seed: fall / whole[seed] for seed, fall in found.items() if whole[seed]}


def _printed_fall(case: Case, *, relative: bool) -> float | None:
    first, last = rich(_HYPERVOLUME).printed(case), frugal(_HYPERVOLUME).printed(case)
    if first is None or last is None or not first:
        return None
    return (first - last) / (first if relative else 1.0)


def _difference(first: Amount, second: Amount, case: Case) -> dict[int, float]:
    values, against = first.measured(case), second.measured(case)
    return {seed: values[seed] - against[seed] for seed in values if seed in against}
