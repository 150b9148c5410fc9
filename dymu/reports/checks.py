"""What a claim of the paper is made of: an amount in records, margins by seed, and a check.

Margins are oriented: a positive margin says what the paper says. A measure turns records into margins, or
says in words why the claim does not apply to them. Everything here is a pure function of records.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from dymu.artifacts.store import Store
from dymu.reports.collect import Results
from dymu.reports.metric_table import drops
from dymu.spec.ablation import BASELINE

End = Literal["rich", "frugal"]
"""The smallest or the largest measured resource preference c."""

RICH: End = "rich"
FRUGAL: End = "frugal"
ENDS = (RICH, FRUGAL)
CONTROLLER, RETRAINED = "controllable", "static_tree"  # as records name methods

_DROP = "relative_drop"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Records in which a claim is looked for.

    Attributes:
        results: Of one question, or of a study and its counterparts with a fixed architecture.
        store: Where they lie; training times are read from it.
    """

    results: Results
    store: Store

    def resource(self, arm: str, end: End) -> float | None:
        """The smallest or largest c of an arm; ``None`` for a method that has none."""
        found = self.results.resource_preferences(arm)
        return None if not found else found[0] if end == RICH else found[-1]

    @property
    def has_two_ends(self) -> bool:
        """Whether the baseline was measured at more than one c, or not at all yet."""
        measured = self.results.of(BASELINE)
        return not measured or len(self.results.resource_preferences(BASELINE)) > 1


@dataclass(frozen=True, kw_only=True)
class Margins:
    """How far records are on the claimed side.

    Attributes:
        by_seed: Seed to margin.
        paper: The same from the values that the paper prints for this setting.
    """

    by_seed: Mapping[int, float]
    paper: float | None = None


Measured = Margins | str
Measure = Callable[[Case], Measured]
Between = Callable[[Case, Case | None], Measured]
"""A measure of two settings, or of what speaks against the first where there is no second yet."""


def _nothing(_: Case) -> Measured:
    return Margins(by_seed={})


@dataclass(frozen=True, kw_only=True)
class Amount:
    """A number of an arm at each seed.

    Attributes:
        metric: Record value name without its resource preference.
        arm: Name of the arm.
        end: Which resource preference.
        bare: Whether the value has no resource preference in any method.
    """

    metric: str
    arm: str = BASELINE
    end: End = RICH
    bare: bool = False

    def key(self, case: Case) -> str:
        """Record value name."""
        c = None if self.bare else case.resource(self.arm, self.end)
        return self.metric if c is None else f"{self.metric}/c={c:g}"

    def measured(self, case: Case) -> dict[int, float]:
        """Seed to value."""
        if self.metric == _DROP:
            return drops(case.results, case.results.arm(self.arm), case.resource(self.arm, self.end))
        return case.results.values(self.arm, self.key(case))

    def printed(self, case: Case) -> float | None:
        """What the paper prints beside this arm."""
        return case.results.arm(self.arm).paper.get(self.key(case))


def rich(metric: str, arm: str = BASELINE) -> Amount:
    """A value at the smallest c."""
    return Amount(metric=metric, arm=arm)


def frugal(metric: str, arm: str = BASELINE) -> Amount:
    """A value at the largest c."""
    return Amount(metric=metric, arm=arm, end=FRUGAL)


@dataclass(frozen=True, kw_only=True)
class Check:
    """A claim of the paper as a check on records.

    Attributes:
        name: Number of the claim and a letter.
        text: The claim, in words.
        quantity: What the margin is; positive is what the claim says.
        source: Where the paper, or this project, says so.
        measure: Records to margins.
        between: The same for a claim that compares two settings, each with all arms; then ``measure`` is not
            asked.
        arms: Arms that it needs.
        method: Method of the baseline.
        may_tie: Whether a margin of 0 also fulfils the claim.
        num_tasks: How many tasks a study needs for the claim to be about it; 0 for any.
        question: Question whose run makes the arms; empty if no run can.
        own_evaluation: Whether no other question evaluates the arms as it needs.
        reason: Why no records of a single study can decide it; empty if they can.
    """

    name: str
    text: str
    source: str
    quantity: str = ""
    measure: Measure = field(default=_nothing, repr=False)
    between: Between | None = field(default=None, repr=False)
    arms: tuple[str, ...] = (BASELINE,)
    method: str = CONTROLLER
    may_tie: bool = False
    num_tasks: int = 0
    question: str = ""
    own_evaluation: bool = False
    reason: str = ""


def exceeds(first: Amount, second: Amount | float, *, relative: bool = False, ties: bool = False) -> Measure:
    """The first is above the second.

    Does not apply where the paper prints values for this setting that say otherwise.

    Args:
        first: The larger one.
        second: The smaller one, or a fixed number.
        relative: Whether margins are parts of the second.
        ties: Whether equal printed values fit the claim.
    """

    def measure(case: Case) -> Measured:
        printed = _printed(first, second, case, relative=relative)
        if printed is not None and (printed < 0 or (printed == 0 and not ties)):
            return f"the paper prints {_pair(first, second, case)} for this setting"
        return Margins(by_seed=_differences(first, second, case, relative=relative), paper=printed)

    return measure


def as_printed(first: Amount, second: Amount, *, relative: bool = False) -> Measure:
    """The first is on that side of the second on which the paper's values for this setting are."""

    def measure(case: Case) -> Measured:
        found = _differences(first, second, case, relative=relative)
        if not found:  # what is printed is found by the resource preferences that were measured
            return Margins(by_seed={})
        printed = _printed(first, second, case, relative=relative)
        if printed is None:
            return "the paper prints no such values for this setting"
        if printed == 0:
            return f"the paper prints {_pair(first, second, case)}, a tie"
        sign = math.copysign(1.0, printed)
        return Margins(by_seed={seed: sign * x for seed, x in found.items()}, paper=abs(printed))

    return measure


def within(first: Amount, second: Amount, *, tolerance: float) -> Measure:
    """The first differs from the second by at most a part of it; margins are what is left of that part."""

    def measure(case: Case) -> Measured:
        printed = _printed(first, second, case, relative=True)
        found = _differences(first, second, case, relative=True)
        return Margins(
            by_seed={seed: tolerance - abs(x) for seed, x in found.items()},
            paper=None if printed is None else tolerance - abs(printed),
        )

    return measure


def no_more_than(first: Amount, second: Amount, *, tolerance: float) -> Measure:
    """The first exceeds the second by at most a part of it; margins are what is left of that part."""

    def measure(case: Case) -> Measured:
        printed = _printed(first, second, case, relative=True)
        found = _differences(first, second, case, relative=True)
        return Margins(
            by_seed={seed: tolerance - x for seed, x in found.items()},
            paper=None if printed is None else tolerance - printed,
        )

    return measure


def drops_more(first: str, second: str, metric: str) -> Measure:
    """From the smallest to the largest c a value falls by more in the first arm than in the second."""

    def fall(arm: str, case: Case) -> tuple[dict[int, float], float | None]:
        printed = _printed(rich(metric, arm), frugal(metric, arm), case, relative=False)
        return _differences(rich(metric, arm), frugal(metric, arm), case, relative=False), printed

    def measure(case: Case) -> Measured:
        (one, printed), (two, against) = fall(first, case), fall(second, case)
        return Margins(
            by_seed={seed: one[seed] - two[seed] for seed in one if seed in two},
            paper=None if printed is None or against is None else printed - against,
        )

    return both_ends(measure)


def least(*measures: Measure) -> Measure:
    """All of several claims: the least favourable margin at each seed that has all of them."""

    def measure(case: Case) -> Measured:
        found = [each(case) for each in measures]
        margins = [each for each in found if isinstance(each, Margins)]
        if len(margins) < len(found):
            return next(each for each in found if isinstance(each, str))
        seeds = set.intersection(*(set(each.by_seed) for each in margins))
        printed = [each.paper for each in margins if each.paper is not None]
        return Margins(
            by_seed={seed: min(each.by_seed[seed] for each in margins) for seed in sorted(seeds)},
            paper=min(printed) if len(printed) == len(margins) else None,
        )

    return measure


def only_if(applies: Callable[[Case], bool], reason: str, measure: Measure) -> Measure:
    """A measure for some studies only, with the reason why it does not apply to others."""
    return lambda case: measure(case) if applies(case) else reason


def both_ends(measure: Measure) -> Measure:
    """A measure that compares two resource preferences."""
    return only_if(lambda case: case.has_two_ends, "only one resource preference was measured", measure)


def _differences(first: Amount, second: Amount | float, case: Case, *, relative: bool) -> dict[int, float]:
    values = first.measured(case)
    against = second.measured(case) if isinstance(second, Amount) else dict.fromkeys(values, second)
    seeds = [seed for seed in values if seed in against and not (relative and against[seed] == 0)]
    return {
        seed: (values[seed] - against[seed]) / (abs(against[seed]) if relative else 1.0) for seed in seeds
    }


def _printed(first: Amount, second: Amount | float, case: Case, *, relative: bool) -> float | None:
    one = first.printed(case)
    two = second.printed(case) if isinstance(second, Amount) else second
    if one is None or two is None or (relative and two == 0):
        return None
    return (one - two) / (abs(two) if relative else 1.0)


def _pair(first: Amount, second: Amount | float, case: Case) -> str:
    two = second.printed(case) if isinstance(second, Amount) else second
    return f"{first.printed(case):g} and {two:g}"
