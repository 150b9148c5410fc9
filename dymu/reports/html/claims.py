"""Claims as tables of a page: the verdict at a glance, why it is that, and what would decide the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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
"""Outcome to the class of its mark, in the order in which verdicts are sorted."""

# Both tables of claims have these columns: name, claim, source, five numbers, verdict.
_NUMBERS = slice(3, 8)
_CAPTION_OF_QUESTION = "Claims of this question"


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
    """Both tables, each if there is something in it; what is left out, and why."""
    own = None
    if verdicts:
        table = claims_table(verdicts)
        whys = [_sentences(_why(each.decision, each.comparison)) for each in verdicts]
        own = _table(table, whys, identity="question-claims", caption=_CAPTION_OF_QUESTION)
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
    return join(
        own,
        _warning("Left out of the claims of the paper", evidence.left_out),
        _warning("Claims of the paper rest on mixed records", mixed),
        _table(
            table,
            [_about_finding(finding, evidence.study) for finding in paper.findings],
            identity="paper-claims",
            caption=table.title,
            notes=rule_notes(paper.findings),
        ),
    )


def _table(
    table: Table,
    whys: Sequence[Markup],
    *,
    identity: str,
    caption: str,
    notes: Sequence[str] | None = None,
) -> Markup:
    numbers = [column.title for column in table.columns[_NUMBERS]]
    heads = ["" if identity == "paper-claims" else "Arm", "Claim", "Verdict", "Because", *numbers]
    rows = (_row(heads, row, why) for row, why in zip(table.rows, whys, strict=True))
    return tag(
        "figure",
        tag(
            "div",
            tag(
                "table",
                tag("caption", caption),
                tag("thead", tag("tr", *(_head(head, numbers) for head in heads))),
                tag("tbody", *rows),
            ),
            class_="scroll",
            role="region",
            tabindex=0,
            aria_label=caption,
        ),
        tag(
            "figcaption",
            tag("ul", *(tag("li", note) for note in notes or table.footnotes), class_="notes"),
        ),
        id=identity,
        class_="dymu-table claims",
    )


def _head(title: str, numbers: Sequence[str]) -> Markup:
    return tag(
        "th",
        tag("span", title, class_="title"),
        scope="col",
        data_sort="number" if title in numbers else "text",
    )


def _row(heads: Sequence[str], row: Sequence[Cell], why: Markup) -> Markup:
    name, claim, source, *numbers, verdict = row
    outcome = verdict.text
    below = " · ".join(text for text in (claim.detail, source.text) if text)
    about = join(
        tag("span", claim.text, class_="value"), tag("span", below, class_="detail") if below else None
    )
    order: list[str] = [*OUTCOMES]
    return tag(
        "tr",
        tag("th", name.text, scope="row"),
        tag("td", about, class_="plain claim"),
        tag("td", pill(outcome), class_="plain verdict", data_value=order.index(outcome)),
        tag("td", why, class_="plain why"),
        *(
            tag(
                "td",
                _content(cell),
                class_="number missing" if cell.text == MISSING else "number",
                data_value=None if cell.estimate is None else repr(cell.estimate.mean),
                data_label=head,
            )
            for cell, head in zip(numbers, heads[4:], strict=True)
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


def pill(outcome: str) -> Markup:
    """A verdict as a mark with its words."""
    kind = next(kind for known, kind in OUTCOMES.items() if known == outcome)
    return tag("span", outcome, class_="pill", data_is=kind)


def _about_finding(finding: Finding, study: str) -> Markup:
    if finding.reason:
        return _sentences(finding.reason)
    found = _sentences(_why(finding.outcome, finding.comparison))
    if finding.where:
        question = finding.where.removeprefix(f"{study}.")
        found = join(found, tag("span", f"Records: {question}", class_="detail"))
    if finding.commands:
        commands = (_command(command) for command in finding.commands)
        found = join(found, tag("span", "To decide: ", *commands, class_="detail"))
    return found


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


def _sentences(text: str) -> Markup:
    return tag("span", f"{text[:1].upper()}{text[1:]}.", class_="value")


def _warning(title: str, lines: Sequence[str]) -> Markup | None:
    if not lines:
        return None
    return tag(
        "div",
        tag("strong", title),
        tag("ul", *(tag("li", line) for line in lines)),
        class_="warning",
    )
