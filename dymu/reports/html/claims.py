"""Claims in a page: how many have which verdict, and on demand which, why, and what would decide the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dymu.artifacts.store import Store
from dymu.errors import DymuError
from dymu.reports.claims import LEAST_SEEDS, Verdict, claims_table
from dymu.reports.collect import Results
from dymu.reports.compare import Comparison
from dymu.reports.evidence import Evidence, gather
from dymu.reports.html.markup import Markup, join, tag
from dymu.reports.paper_verdicts import Finding, Outcome, findings_table, judge, rule_notes
from dymu.reports.table import MISSING, Cell, Table

OUTCOMES: Mapping[Outcome, str] = {
    "reproduced": "yes",
    "not reproduced": "no",
    "undecided": "open",
    "not applicable": "none",
}
"""Outcome to the class of its mark, in the order in which verdicts are shown."""

# Both tables of claims have these columns: name, claim, source, five numbers, verdict.
_NUMBERS = slice(3, 8)
_FIRST_NUMBER = 3  # of a row in the page: name, claim, reason, numbers
_WORDS = ("", "Arm", "Claim", "Because")
_TITLE_OF_QUESTION = "Claims of this question"


@dataclass(frozen=True, kw_only=True)
class PaperClaims:
    """What became of the paper's claims, or why nobody can say.

    Attributes:
        evidence: All that the store holds about the study; ``None`` if that cannot be gathered.
        findings: One for each claim.
        problem: Why the evidence cannot be gathered.
    """

    evidence: Evidence | None = None
    findings: tuple[Finding, ...] = ()
    problem: str = ""

    def count(self, outcome: Outcome) -> int:
        """How many claims have an outcome."""
        return sum(finding.outcome == outcome for finding in self.findings)

    @property
    def num_applicable(self) -> int:
        """How many claims are about this study."""
        return len(self.findings) - self.count("not applicable")


def paper_claims(results: Results, store: Store, *, exists: Callable[[str], bool]) -> PaperClaims:
    """The paper's claims about the study that results are about.

    Args:
        results: Of a study, or of a question about one.
        store: Where all that speaks about the study is looked for.
        exists: Whether a study or question can be run.
    """
    try:
        evidence = gather(store, results.manifest.study, allow_mixed=bool(results.mixed))
        return PaperClaims(evidence=evidence, findings=tuple(judge(evidence, exists=exists)))
    except DymuError as error:
        return PaperClaims(problem=str(error))


def claims_section(verdicts: Sequence[Verdict], paper: PaperClaims) -> Markup:
    """Claims of the question and of the paper, each if there are some; what is left out, and why."""
    own = None
    if verdicts:
        table = claims_table(verdicts)
        rows = [
            _Row(cells=row, why=_why(each.decision, each.comparison))
            for row, each in zip(table.rows, verdicts, strict=True)
        ]
        own = _claims(table, rows, identity="question-claims", title=_TITLE_OF_QUESTION, first="Arm")
    if paper.evidence is None:
        return join(
            own,
            _warning("Claims of the paper are not checked", [f"All records of the study: {paper.problem}"]),
        )
    evidence = paper.evidence
    table = findings_table(evidence, paper.findings)
    mixed = [
        f"{case.results.manifest.name} puts together what differs in {mixture.what}."
        for case in evidence.cases
        for mixture in case.results.mixed
    ]
    rows = [
        _of_finding(row, each, evidence.study) for row, each in zip(table.rows, paper.findings, strict=True)
    ]
    return join(
        own,
        _warning("Left out of the claims of the paper", evidence.left_out),
        _warning("Claims of the paper rest on mixed records", mixed),
        _claims(
            replace(table, footnotes=tuple(rule_notes(paper.findings))),
            rows,
            identity="paper-claims",
            title=table.title,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A claim: the cells of its table, and what they do not say.

    Attributes:
        cells: Name, claim, source, numbers and verdict.
        why: Why the verdict is that.
        where: Which records it rests on.
        commands: What makes records that are missing.
    """

    cells: Sequence[Cell]
    why: str
    where: str = ""
    commands: Sequence[str] = ()


def _of_finding(cells: Sequence[Cell], finding: Finding, study: str) -> _Row:
    return _Row(
        cells=cells,
        why=finding.reason or _why(finding.outcome, finding.comparison),
        where=finding.where.removeprefix(f"{study}."),
        commands=finding.commands,
    )


def _claims(table: Table, rows: Sequence[_Row], *, identity: str, title: str, first: str = "") -> Markup:
    """A part for each verdict, that of what was not reproduced open; below, how verdicts come about."""
    numbers = [column.title for column in table.columns[_NUMBERS]]
    of = {outcome: [row for row in rows if row.cells[-1].text == outcome] for outcome in OUTCOMES}
    shown = {outcome: found for outcome, found in of.items() if found}
    return tag(
        "div",
        tag("h3", title, id=f"{identity}-title"),
        tag(
            "div",
            *(
                tag("i", data_is=OUTCOMES[outcome], style=f"flex-grow: {len(found)}")
                for outcome, found in shown.items()
            ),
            class_="proportions",
            aria_hidden="true",
        ),
        *(
            _of_verdict(outcome, found, [first, "Claim", "Because", *numbers], title)
            for outcome, found in shown.items()
        ),
        tag(
            "details",
            tag("summary", "How verdicts and numbers come about"),
            tag("ul", *(tag("li", note) for note in table.footnotes), class_="notes"),
            class_="about",
        ),
        id=identity,
        class_="dymu-table claims",
        role="group",
        aria_labelledby=f"{identity}-title",
    )


def _of_verdict(outcome: Outcome, rows: Sequence[_Row], heads: Sequence[str], title: str) -> Markup:
    if outcome == "not applicable":  # there are no numbers
        heads = heads[:_FIRST_NUMBER]
    return tag(
        "details",
        tag(
            "summary",
            pill(outcome),
            " ",
            tag("span", f"{len(rows)} claim{'s' if len(rows) > 1 else ''}", class_="count"),
        ),
        _deciding(rows),
        tag(
            "div",
            tag(
                "table",
                tag("caption", f"{title}: {outcome}", class_="sr"),
                tag("thead", tag("tr", *map(_head, heads))),
                tag("tbody", *(_row(heads, row, outcome) for row in rows)),
            ),
            class_="scroll",
            role="region",
            tabindex=0,
            aria_label=f"{title}: {outcome}",
        ),
        class_="of-verdict",
        data_verdict=outcome,
        open=outcome == "not reproduced",
    )


def _head(title: str) -> Markup:
    sort = "text" if title in _WORDS else "number"
    return tag("th", tag("span", title, class_="title"), scope="col", data_sort=sort)


def _row(heads: Sequence[str], row: _Row, outcome: Outcome) -> Markup:
    name, claim, source, *numbers, _ = row.cells
    more = [text for text in (claim.detail, source.text) if text]
    where = f"Records: {row.where}." if row.where else ""
    about = join(
        tag("span", " · ".join(more), class_="detail") if more else None,
        tag("span", where, class_="detail") if where else None,
    )
    text = tag("span", claim.text, class_="value")
    return tag(
        "tr",
        tag("th", name.text, scope="row"),
        tag(
            "td",
            tag("details", tag("summary", text), about) if about else text,
            class_="plain claim",
        ),
        tag("td", f"{row.why[:1].upper()}{row.why[1:]}.", class_="plain why"),
        *(
            tag(
                "td",
                _content(cell),
                class_="number missing" if cell.text == MISSING else "number",
                data_value=None if cell.estimate is None else repr(cell.estimate.mean),
                data_label=head,
            )
            for cell, head in zip(numbers, heads[_FIRST_NUMBER:], strict=False)
        ),
        data_verdict=outcome,
    )


def _content(cell: Cell) -> Markup:
    return join(
        tag("span", cell.text, class_="value"),
        tag("span", f" ± {cell.spread}", class_="spread") if cell.spread else None,
        tag("span", cell.detail, class_="detail") if cell.detail else None,
        tag("span", f"[{cell.paper}]", class_="paper", title="printed in the paper") if cell.paper else None,
    )


def pill(outcome: Outcome) -> Markup:
    """A verdict as a mark with its words."""
    return tag("span", outcome, class_="pill", data_is=OUTCOMES[outcome])


def _deciding(rows: Sequence[_Row]) -> Markup | None:
    """Each run that makes records which are missing, with the claims that it helps to decide."""
    names: dict[str, list[str]] = {}
    for row in rows:
        for command in row.commands:
            names.setdefault(command, []).append(row.cells[0].text)
    if not names:
        return None
    items = (
        tag("li", _command(command), tag("span", f"for {', '.join(of)}", class_="detail"))
        for command, of in names.items()
    )
    return tag("div", tag("p", "What would decide them:"), tag("ul", *items), class_="deciding")


def _command(text: str) -> Markup:
    """A command whose lines break before options, not within them."""
    first, *options = text.split(" --")
    return tag("code", first, *(join(" ", tag("span", f"--{option}")) for option in options))


def _why(outcome: Outcome, comparison: Comparison) -> str:
    """What the seeds say, in words."""
    if not comparison.n:
        return "there are no records"
    if comparison.n < LEAST_SEEDS:
        return f"{comparison.n} of at least {LEAST_SEEDS} seeds"
    if outcome != "undecided":
        return f"all {comparison.n} seeds {'agree' if outcome == 'reproduced' else 'say the opposite'}"
    return f"{comparison.n} seeds disagree: {_signs(comparison)}"


def _signs(comparison: Comparison) -> str:
    pairs = list(zip(comparison.seeds, comparison.differences, strict=True))
    named = {
        "above 0": [seed for seed, difference in pairs if difference > 0],
        "0": [seed for seed, difference in pairs if difference == 0],
        "below 0": [seed for seed, difference in pairs if difference < 0],
    }
    return "; ".join(f"{words} at {', '.join(map(str, seeds))}" for words, seeds in named.items() if seeds)


def _warning(title: str, lines: Sequence[str]) -> Markup | None:
    if not lines:
        return None
    return tag(
        "div",
        tag("strong", title),
        tag("ul", *(tag("li", line) for line in lines)),
        class_="warning",
    )
