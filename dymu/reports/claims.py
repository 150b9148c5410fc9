"""Which claims hold: one verdict each, by a rule that is fixed before the results are seen.

A claim says which way a metric moves: from the baseline at the same seed, from another metric of the same
arm, or from zero. With the differences of at least three seeds it is

- *reproduced* if every seed's difference has the claimed sign,
- *not reproduced* if every seed's difference has the opposite sign,
- *undecided* otherwise, and always with fewer than three seeds.

A claim that a metric stays flat is reproduced if every seed's relative difference is within the tolerance,
and not reproduced if every seed's is beyond it.

The rule asks for agreement of signs and not for a small p because few seeds cannot give one: the smallest
two-sided p of the exact sign-flip test is 2 / 2^n, that is .25 at three seeds and .0625 at five. Both p and
this bound are printed, so that agreement of three seeds is not mistaken for more than it is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dymu.artifacts.fingerprint import rebuild
from dymu.artifacts.manifest import ManifestArm
from dymu.errors import ReportError
from dymu.reports.collect import Results
from dymu.reports.compare import Comparison
from dymu.reports.effect import effect_size
from dymu.reports.intervals import bca
from dymu.reports.multiple import benjamini_hochberg
from dymu.reports.significance import MOST_PAIRS, paired_up_to, spread_text
from dymu.reports.table import Cell, Column, Table, signed
from dymu.spec.ablation import BASELINE, Claim

LEAST_SEEDS = 3
ZERO = "zero"

EFFECT_NOTE = (
    "Effect: mean difference in standard deviations of the differences over seeds, corrected for few seeds "
    "(Hedges); empty below three seeds or where they do not vary."
)

SPLIT_NOTE = "More seeds cannot make them agree; interval and p say what is known."

Decision = Literal["reproduced", "not reproduced", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one claim.

    Attributes:
        arm: The arm that it is about.
        claim: The claim.
        decision: By the rule of this module.
        comparison: The differences behind it.
        relative: The same differences as parts of what they are against; ``None`` against zero.
    """

    arm: ManifestArm
    claim: Claim
    decision: Decision
    comparison: Comparison
    relative: tuple[float, ...] | None


def check_claims(results: Results) -> list[Verdict]:
    """A verdict for each claim of each arm, in order.

    A claim about a value that no record holds (a rank correlation is undefined where nothing varies) is
    undecided with n = 0.

    Raises:
        ReportError: If the manifest lists something as a claim that is none.
    """
    return [
        _verdict(results, arm, claim)
        for arm in results.arms
        for form in arm.claims
        for claim in [_claim(results, form)]
    ]


def claims_table(verdicts: Sequence[Verdict], *, target: str = "") -> Table:
    """One row per claim: difference, interval, p, and the verdict.

    Args:
        verdicts: In order.
        target: What ``dymu run`` takes to make more seeds; empty for no such note.
    """
    columns = (
        Column(title="", plain=True),
        Column(title="Claim", plain=True),
        Column(title="Source", plain=True),
        Column(title="Difference"),
        Column(title="Effect", plain=True),
        Column(title="p", plain=True),
        Column(title="p adj.", plain=True),
        Column(title="n", plain=True, said_below=True),
        Column(title="Verdict", plain=True),
    )
    rows = tuple(
        (
            Cell(text=verdict.arm.label),
            Cell(text=in_words(verdict.claim)),
            Cell(text=verdict.claim.source),
            _difference(verdict),
            Cell(text=effect_text(verdict.comparison.differences)),
            Cell(text=p_text(verdict.comparison.p)),
            Cell(text=p_text(p)),
            Cell(text=str(verdict.comparison.n)),
            Cell(text=verdict.decision),
        )
        for verdict, p in zip(verdicts, adjusted_p([v.comparison for v in verdicts]), strict=True)
    )
    counts = ", ".join(
        f"{sum(verdict.decision == decision for verdict in verdicts)} {decision}"
        for decision in ("reproduced", "not reproduced", "undecided")
    )
    notes = [
        f"{len(verdicts)} claims: {counts}.",
        "Difference: mean of the paired differences ± half of the 95 % t-interval, and the mean of the "
        "differences as parts of what they are against.",
        f"Reproduced: at least {LEAST_SEEDS} seeds and all differ the claimed way; not reproduced: all "
        "differ the other way; otherwise undecided.",
        EFFECT_NOTE,
        p_note([verdict.comparison for verdict in verdicts]),
    ]
    unheld = sorted({v.claim.metric for v in verdicts if not v.comparison.n})
    if unheld:
        notes.append(f"Missing: no record holds {', '.join(unheld)} and what it is against at the same seed.")
    few = [v for v in verdicts if v.comparison.n < LEAST_SEEDS]
    if few and target:
        notes.append(
            f"Too few seeds for {len(few)} of them: `dymu run {target} --seeds {LEAST_SEEDS}` makes more."
        )
    split = sum(v.decision == "undecided" for v in verdicts if v not in few)
    notes += [f"Undecided because seeds disagree: {split}. {SPLIT_NOTE}"] if split else []
    notes += smallest_p_notes([verdict.comparison for verdict in verdicts])
    return Table(title="Claims", columns=columns, rows=rows, footnotes=tuple(notes))


def adjusted_p(comparisons: Sequence[Comparison]) -> list[float | None]:
    """Benjamini and Hochberg's p of each comparison over all of a table that have a p."""
    found = iter(benjamini_hochberg([each.p for each in comparisons if each.p is not None]))
    return [None if each.p is None else next(found) for each in comparisons]


def p_note(comparisons: Sequence[Comparison]) -> str:
    """Over how many tests p is adjusted."""
    tests = sum(each.p is not None for each in comparisons)
    over = f"the {tests} tests" if tests != 1 else "the only test"
    return f"p adj.: p after Benjamini and Hochberg over {over} of this table."


def smallest_p_notes(comparisons: Sequence[Comparison]) -> list[str]:
    """What p cannot fall below, for each number of seeds in a table."""
    smallest = {each.n: each.smallest_p for each in comparisons if each.smallest_p}
    notes = [
        f"p: exact two-sided sign-flip test; with {n} seed{'s' if n > 1 else ''} it cannot be below {p:.3g}."
        for n, p in sorted(smallest.items())
    ]
    many = (
        [f"Of more than {MOST_PAIRS} seeds the first {MOST_PAIRS} count."] if MOST_PAIRS in smallest else []
    )
    return [*notes, *many]


def effect_text(differences: Sequence[float]) -> str:
    """Effect size as printed; empty where it is undefined."""
    found = effect_size(differences)
    return "" if found is None else f"{found:+.3g}"


def p_text(p: float | None) -> str:
    """P as printed; empty without pairs."""
    return "" if p is None else f"{p:.3g}"


def bootstrap_text(differences: Sequence[float]) -> str:
    """BCa interval with its n as printed; empty where there is none."""
    found = bca(differences)
    return "" if found is None else f"BCa {found}"


def in_words(claim: Claim) -> str:
    """For instance ``uniformity at c = 0 goes down``, which is to say from the baseline to this arm."""
    metric = metric_in_words(claim.metric)
    against = {ZERO: "0", BASELINE: "the baseline's"}.get(claim.against, metric_in_words(claim.against))
    if claim.direction == "flat":
        return f"{metric} stays within {100 * claim.tolerance:g} % of {against}"
    if claim.against == BASELINE:
        return f"{metric} goes {claim.direction}"
    return f"{metric} is {'above' if claim.direction == 'up' else 'below'} {against}"


def metric_in_words(name: str) -> str:
    """``loss/left/c=0`` as ``loss of left at c = 0``."""
    name, _, c = name.partition("/c=")
    head, *parts = name.split("/")
    words = " of ".join([head.replace("_", " "), *parts])
    return f"{words} at c = {c}" if c else words


def _claim(results: Results, form: Mapping[str, object]) -> Claim:
    claim = rebuild(dict(form))
    if not isinstance(claim, Claim):
        raise ReportError(f"{results.manifest.name} lists {form!r} as a claim; run the study again.")
    return claim


def _verdict(results: Results, arm: ManifestArm, claim: Claim) -> Verdict:
    values = results.values(arm.name, claim.metric)
    if claim.against == ZERO:
        against = dict.fromkeys(values, 0.0)
    elif claim.against == BASELINE:
        against = results.values(results.arms[0].name, claim.metric)
    else:
        against = results.values(arm.name, claim.against)
    comparison = paired_up_to(MOST_PAIRS, values, against)
    relative = None
    if claim.against != ZERO:
        relative = tuple(
            _relative(difference, against[seed])
            for seed, difference in zip(comparison.seeds, comparison.differences, strict=True)
        )
    decision = decide(claim, comparison.differences, relative)
    return Verdict(arm=arm, claim=claim, decision=decision, comparison=comparison, relative=relative)


def decide(claim: Claim, differences: Sequence[float], relative: Sequence[float] | None) -> Decision:
    """The rule of this module.

    Args:
        claim: The claim.
        differences: One per seed.
        relative: The same as parts of what they are against; ``None`` against zero, where a flat claim's
            tolerance is absolute.
    """
    if len(differences) < LEAST_SEEDS:
        return "undecided"
    if claim.direction == "flat":
        sizes = [abs(x) for x in (differences if relative is None else relative)]
        agrees = [size <= claim.tolerance for size in sizes]
        opposes = [size > claim.tolerance for size in sizes]
    else:
        sign = 1 if claim.direction == "up" else -1
        agrees = [sign * difference > 0 for difference in differences]
        opposes = [sign * difference < 0 for difference in differences]
    if all(agrees):
        return "reproduced"
    return "not reproduced" if all(opposes) else "undecided"


def _relative(difference: float, against: float) -> float:
    if difference == 0:
        return 0.0
    return difference / abs(against) if against else math.copysign(math.inf, difference)


def _difference(verdict: Verdict) -> Cell:
    found = verdict.comparison.estimate
    if found is None:
        return Cell(text="missing")
    relative = ""
    if verdict.relative is not None and all(math.isfinite(part) for part in verdict.relative):
        relative = f"{100 * math.fsum(verdict.relative) / len(verdict.relative):+.1f} %"
    return Cell(
        text=signed(found.mean),
        spread=spread_text(found),
        detail=", ".join(filter(None, (relative, bootstrap_text(verdict.comparison.differences)))),
        estimate=found,
    )
