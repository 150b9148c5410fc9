"""Claims in a terminal, a line each where it fits: the paper's by subject, a question's by arm."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from dymu.reports.claims import Verdict, adjusted_p, effect_text, p_text
from dymu.reports.evidence import Evidence
from dymu.reports.paper_verdicts import OUTCOMES, Finding, Outcome, evidence_notes, margin_cell, rule_notes
from dymu.reports.table import MISSING, Cell, Table, cleaned

# The first claim of each group by its number; where the paper has them: Figures 5 to 17, Tables 1 to 8.
_GROUPS = ((1, "Behaviour"), (6, "Quality"), (13, "Ablations"), (19, "Architectures and overhead"))
_BEYOND = 1000
_MARGIN = (
    "Margin: mean over seeds ± half of the 95 % t-interval; positive says what the paper says. p and "
    "effect sizes are in wider terminals, what each margin is in other styles (--style markdown, --json)."
)
_WORDS: dict[Outcome, str] = {
    "reproduced": "yes",
    "not reproduced": "no",
    "undecided": "open",
    "not applicable": "n/a",
}
_STYLES: dict[Outcome, str] = {
    "reproduced": "green",
    "not reproduced": "red",
    "undecided": "yellow",
    "not applicable": "dim",
}
_DIFFERENCE = (
    "Difference: mean of the paired differences ± half of the 95 % t-interval. p, effect sizes and sources "
    "are in wider terminals and other styles."
)
_OF_WIDE = ("Difference:", "Effect:", "p adj.:")
_QUESTION_NUMBERS = (("difference", 17), ("n", 1), ("effect", 7), ("p", 5), ("p adj.", 6), ("source", 8))
# From this width on verdicts are spelled out and all numbers shown.
_WIDE = 132


class ClaimsListing:
    """Verdicts for a rich console.

    Args:
        evidence: What they rest on.
        findings: In order of their numbers.
    """

    def __init__(self, evidence: Evidence, findings: Sequence[Finding]) -> None:
        self._evidence = evidence
        self._findings = findings

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich calls to print."""
        wide = options.max_width >= _WIDE
        yield Text(f"Claims of the paper on {self._evidence.study}", style="bold")
        yield Text(", ".join(_counts(self._findings)))
        adjusted = adjusted_p([finding.comparison for finding in self._findings])
        rows = list(zip(self._findings, adjusted, strict=True))
        for number, (first, title) in enumerate(_GROUPS):
            last = _GROUPS[number + 1][0] if number + 1 < len(_GROUPS) else _BEYOND
            group = [row for row in rows if _number(row[0]) in range(first, last)]
            if group:
                yield Text(f"\n{title}", style="bold")
                yield _listing(group, wide=wide)
        yield Text()
        rules = rule_notes(self._findings)[1:]
        if not wide:
            rules = [_MARGIN, *(rule for rule in rules if rule.startswith(("Reproduced", "p:")))]
        for note in [*rules, *evidence_notes(self._evidence, self._findings, where=wide)]:
            yield Text(note, style="dim")


class QuestionListing:
    """Verdicts on the claims of a question for a rich console.

    Args:
        verdicts: In order.
        table: The same as a table, for its numbers and notes.
    """

    def __init__(self, verdicts: Sequence[Verdict], table: Table) -> None:
        self._verdicts = verdicts
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich calls to print."""
        wide = options.max_width >= _WIDE
        table = cleaned(self._table)
        yield Text(table.title, style="bold")
        decided: list[Outcome] = [verdict.decision for verdict in self._verdicts]
        yield Text(", ".join(f"{_WORDS[each]}: {each} ({decided.count(each)})" for each in OUTCOMES[:3]))
        pairs = zip(self._verdicts, table.rows, strict=True)
        for name, group in groupby(pairs, lambda pair: pair[0].arm.name):
            lines = list(group)
            yield Text(f"\n{lines[0][1][0].text or name}", style="bold")
            yield _listed(
                _QUESTION_NUMBERS if wide else _QUESTION_NUMBERS[:2],
                [_question_line(verdict, row, wide=wide) for verdict, row in lines],
                wide=wide,
            )
        yield Text()
        rules = table.footnotes[1:]
        if not wide:
            rules = (_DIFFERENCE, *(rule for rule in rules if not rule.startswith(_OF_WIDE)))
        for note in rules:
            yield Text(note, style="dim")


def _question_line(verdict: Verdict, row: Sequence[Cell], *, wide: bool) -> tuple[Text, ...]:
    _, claim, source, difference, effect, p, adjusted, n, _ = row
    spread = f" ± {difference.spread}" if difference.spread else ""
    word = verdict.decision if wide else _WORDS[verdict.decision]
    more = (effect.text, p.text, adjusted.text, source.text) if wide else ()
    text = (difference.text.replace(MISSING, "no records") + spread, n.text, *more, claim.text)
    return (Text(word, style=_STYLES[verdict.decision]), *map(Text, text))


def _listing(rows: Sequence[tuple[Finding, float | None]], *, wide: bool) -> RichTable:
    lines = [
        (
            Text(finding.check.name),
            Text(finding.outcome if wide else _WORDS[finding.outcome], style=_STYLES[finding.outcome]),
            *(Text(text) for text in _values(finding, adjusted, wide=wide)),
            Text(finding.check.text),
        )
        for finding, adjusted in rows
    ]
    return _listed(_numbers(wide), lines, wide=wide, named=True)


def _listed(
    numbers: Sequence[tuple[str, int]], lines: Sequence[Sequence[Text]], *, wide: bool, named: bool = False
) -> RichTable:
    """Lines of a name if there are names, a verdict, numbers, and the claim."""
    made = RichTable(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=wide, header_style="dim")
    if named:
        made.add_column("", no_wrap=True, min_width=4)
    made.add_column("verdict", no_wrap=True, min_width=14 if wide else 4)
    for name, width in numbers:
        made.add_column(name, no_wrap=True, justify="right", min_width=width)
    made.add_column("claim", overflow="fold")
    for line in lines:
        made.add_row(*line)
    return made


def _numbers(wide: bool) -> tuple[tuple[str, int], ...]:
    """Columns of numbers, with widths that the groups have in common."""
    margin = ("margin", 17)
    return (
        (margin, ("paper", 8), ("effect", 6), ("p", 5), ("p adj.", 6), ("n", 1))
        if wide
        else (margin, ("n", 1))
    )


def _values(finding: Finding, adjusted: float | None, *, wide: bool) -> Iterator[str]:
    cell = margin_cell(finding)
    yield cell.text.replace(MISSING, "no records") + (f" ± {cell.spread}" if cell.spread else "")
    if wide:
        yield f"[{cell.paper}]" if cell.paper else ""
        yield effect_text(finding.comparison.differences)
        yield p_text(finding.comparison.p)
        yield p_text(adjusted)
    yield str(finding.comparison.n or "")


def _counts(findings: Sequence[Finding]) -> Iterator[str]:
    for outcome in OUTCOMES:
        yield f"{_WORDS[outcome]}: {outcome} ({sum(finding.outcome == outcome for finding in findings)})"


def _number(finding: Finding) -> int:
    """Of a claim: 13 of G13a."""
    return int("".join(character for character in finding.check.name if character.isdecimal()))
