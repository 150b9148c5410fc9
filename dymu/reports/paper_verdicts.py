"""Verdicts on the paper's claims about a study, and their table.

The rule is that of :mod:`dymu.reports.claims`, applied to margins: with at least three seeds a claim is
reproduced if every seed's margin is positive, not reproduced if every seed's is negative, and undecided
otherwise. A claim that does not apply to a study says why, and one without records says what makes them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from dymu.reports.checks import Case, Check, Margins, Measured
from dymu.reports.claims import (
    EFFECT_NOTE,
    LEAST_SEEDS,
    SPLIT_NOTE,
    Decision,
    adjusted_p,
    bootstrap_text,
    effect_text,
    p_note,
    p_text,
    smallest_p_notes,
)
from dymu.reports.compare import Comparison, paired
from dymu.reports.evidence import Evidence
from dymu.reports.footnotes import about_mixture
from dymu.reports.missing_runs import runs
from dymu.reports.paper_claims import CHECKS
from dymu.reports.significance import MOST_PAIRS, paired_up_to, spread_text
from dymu.reports.table import Cell, Column, Table, signed

Outcome = Decision | Literal["not applicable"]
OUTCOMES: tuple[Outcome, ...] = ("reproduced", "not reproduced", "undecided", "not applicable")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What became of a claim of the paper.

    Attributes:
        check: The claim.
        outcome: The verdict.
        comparison: Its margins over seeds, against 0.
        paper: The margin that the paper prints for this setting, if it prints one.
        where: Name of the records; empty without any.
        reason: Why it does not apply.
        commands: What makes records that are missing or too few.
    """

    check: Check
    outcome: Outcome
    comparison: Comparison
    paper: float | None = None
    where: str = ""
    reason: str = ""
    commands: tuple[str, ...] = ()


def judge(
    evidence: Evidence, checks: Sequence[Check] = CHECKS, *, exists: Callable[[str], bool] = lambda _: True
) -> list[Finding]:
    """A finding for each check, in order.

    Args:
        evidence: All about one study.
        checks: What to check.
        exists: Whether what stands behind ``dymu run``, a target with its study and arms, can be run. A
            check without records that no run can make does not apply.
    """
    return [_finding(evidence, check, exists) for check in checks]


def decide_margins(margins: Sequence[float], *, may_tie: bool = False) -> Decision:
    """The rule of this module.

    Args:
        margins: One a seed.
        may_tie: Whether a margin of 0 is on the claimed side.
    """
    if len(margins) < LEAST_SEEDS:
        return "undecided"
    if all(margin > 0 or (may_tie and margin == 0) for margin in margins):
        return "reproduced"
    return "not reproduced" if all(margin < 0 for margin in margins) else "undecided"


def findings_table(evidence: Evidence, findings: Sequence[Finding]) -> Table:
    """One row per claim: margin with interval, effect size, p, n and verdict."""
    columns = (
        Column(title="", plain=True),
        Column(title="Claim", plain=True),
        Column(title="Source", plain=True),
        Column(title="Margin"),
        Column(title="Effect", plain=True),
        Column(title="p", plain=True),
        Column(title="p adj.", plain=True),
        Column(title="n", plain=True, said_below=True),
        Column(title="Verdict", plain=True),
    )
    rows = tuple(
        (
            Cell(text=finding.check.name),
            Cell(text=finding.check.text, detail=finding.check.quantity),
            Cell(text=finding.check.source),
            margin_cell(finding),
            Cell(text=effect_text(finding.comparison.differences)),
            Cell(text=p_text(finding.comparison.p)),
            Cell(text=p_text(p)),
            Cell(text="" if finding.outcome == "not applicable" else str(finding.comparison.n)),
            Cell(text=finding.outcome),
        )
        for finding, p in zip(findings, adjusted_p([each.comparison for each in findings]), strict=True)
    )
    return Table(
        title=f"Claims of the paper on {evidence.study}",
        columns=columns,
        rows=rows,
        footnotes=(*rule_notes(findings), *evidence_notes(evidence, findings)),
    )


def _finding(evidence: Evidence, check: Check, exists: Callable[[str], bool]) -> Finding:
    if check.reason:
        return _inapplicable(check, check.reason)
    if check.num_tasks and check.num_tasks != evidence.num_tasks:
        return _inapplicable(check, f"it is about {check.num_tasks} tasks, not {evidence.num_tasks}")
    case = evidence.case(check)
    measured, names = _measured(evidence, check, case)
    if isinstance(measured, str):
        return _inapplicable(check, measured)
    margins = measured.by_seed
    few = len(margins) < LEAST_SEEDS
    needed = runs(evidence, check) if few else ()
    absent = [run.text for run in needed if not exists(run.text)]
    if absent and not margins:
        return _inapplicable(check, f"`{absent[0]}` cannot be run")
    comparison = paired_up_to(MOST_PAIRS, margins, dict.fromkeys(margins, 0.0))
    return Finding(
        check=check,
        outcome=decide_margins(comparison.differences, may_tie=check.may_tie),
        comparison=comparison,
        paper=measured.paper,
        where=" and ".join(names) if margins else "",
        commands=tuple(run.command(LEAST_SEEDS) for run in needed if run.text not in absent),
    )


def _measured(evidence: Evidence, check: Check, case: Case | None) -> tuple[Measured, tuple[str, ...]]:
    """Margins, or why there are none, and the names of the records; of two settings those with most seeds."""
    if case is None:
        return Margins(by_seed={}), ()
    name = case.results.manifest.name
    if check.between is None:
        return check.measure(case), (name,)
    if not evidence.others:
        return check.between(case, None), (name,)
    found = [(check.between(case, other), (name, other.results.manifest.name)) for other in evidence.others]

    def seeds(measured: Measured) -> int:
        return -1 if isinstance(measured, str) else len(measured.by_seed)

    return max(found, key=lambda pair: seeds(pair[0]))


def _inapplicable(check: Check, reason: str) -> Finding:
    return Finding(check=check, outcome="not applicable", comparison=paired({}, {}), reason=reason)


def margin_cell(finding: Finding) -> Cell:
    """Its mean margin with interval, and what the paper prints."""
    found = finding.comparison.estimate
    if found is None:
        return Cell(text="" if finding.outcome == "not applicable" else "missing")
    return Cell(
        text=signed(found.mean),
        spread=spread_text(found),
        detail=bootstrap_text(finding.comparison.differences),
        paper="" if finding.paper is None else signed(finding.paper),
        paper_value=finding.paper,
        estimate=found,
    )


def rule_notes(findings: Sequence[Finding]) -> list[str]:
    """How many claims have which verdict, by which rule, and what the columns hold."""
    counts = ", ".join(f"{sum(f.outcome == outcome for f in findings)} {outcome}" for outcome in OUTCOMES)
    return [
        f"{len(findings)} claims: {counts}.",
        "Margin: mean over seeds ± half of the 95 % t-interval; positive says what the paper says. In "
        "brackets: the margin between the values that the paper prints beside these arms, whose data may be "
        "others.",
        f"Reproduced: at least {LEAST_SEEDS} seeds, all with a positive margin; not reproduced: all with a "
        "negative one; otherwise undecided.",
        EFFECT_NOTE,
        p_note([finding.comparison for finding in findings]),
        *smallest_p_notes([finding.comparison for finding in findings]),
    ]


def evidence_notes(evidence: Evidence, findings: Sequence[Finding], *, where: bool = True) -> list[str]:
    """What verdicts rest on, why claims do not apply, and what makes the records that are missing.

    Args:
        evidence: All about one study.
        findings: Its verdicts.
        where: Whether to name the questions that hold the records.
    """
    notes = _grouped("Records of {}: {}.", [(f.where, f) for f in findings if f.where and where])
    notes += _grouped("Not applicable, because {}: {}.", [(f.reason, f) for f in findings if f.reason])
    waiting = [(line, f) for f in findings for line in f.commands]
    notes += _grouped("Missing or too few, made by `{}`: {}.", waiting)
    split = [_split(f) for f in findings if f.outcome == "undecided" and f.comparison.n >= LEAST_SEEDS]
    if split:
        notes.append(f"Undecided because seeds disagree: {', '.join(split)}. {SPLIT_NOTE}")
    used = {name for f in findings for name in f.where.split(" and ")}
    for results in (case.results for case in (*evidence.cases, *evidence.others)):
        if results.manifest.name in used:
            notes += [f"{results.manifest.name}: {about_mixture(results, each)}" for each in results.mixed]
    return [*notes, *(f"Left out: {reason}" for reason in evidence.left_out)]


def _split(finding: Finding) -> str:
    """How many seeds are on either side, as in ``G3c (2 of 3 for it)``."""
    margins = finding.comparison.differences
    agree = sum(margin > 0 or (finding.check.may_tie and margin == 0) for margin in margins)
    return f"{finding.check.name} ({agree} of {len(margins)} for it)"


def _grouped(text: str, pairs: Sequence[tuple[str, Finding]]) -> list[str]:
    """One line for each first part, with the names of the claims that share it."""
    names: dict[str, list[str]] = {}
    for first, finding in pairs:
        names.setdefault(first, []).append(finding.check.name)
    return [text.format(first, ", ".join(found)) for first, found in names.items()]
