"""Verbs that read records: ``table``, ``figure``, ``claims`` and ``records``."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dymu.commands.console import garbage_left, make_console, print_json, reading, studies_named
from dymu.commands.options import (
    FigureFormat,
    Json,
    OutDir,
    QuestionName,
    StoreDir,
    StudyName,
    Style,
    examples,
)
from dymu.commands.targets import can_run
from dymu.errors import ReportError

if TYPE_CHECKING:
    from dymu.reports.evidence import Evidence
    from dymu.reports.table import Table

app = typer.Typer()


@app.command(
    epilog=examples(
        "dymu table 6",
        "dymu table 6 --study studies.digits:ours --style latex > table6.tex",
        "dymu table 3 --provenance --style html > table3.html",
    )
)
@garbage_left()
def table(
    number: Annotated[
        int | None,
        typer.Argument(metavar="NUMBER", help="Of the paper's table; not needed with --question."),
    ] = None,
    study: StudyName = None,
    question: QuestionName = None,
    style: Annotated[Style, typer.Option(help="How to write it.")] = Style.TERMINAL,
    provenance: Annotated[
        bool, typer.Option("--provenance", metavar="", help="Name the addresses behind each cell.")
    ] = False,
    allow_mixed: Annotated[
        bool,
        typer.Option(
            "--allow-mixed",
            metavar="",
            help="Note below the table what other data, protocols, revisions or step budgets there are, "
            "instead of refusing.",
        ),
    ] = False,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Print a table of the paper with the measured values beside the printed ones, from records."""
    from dymu.reports import collect
    from dymu.reports.footnotes import about_mixture
    from dymu.reports.metric_table import table_of

    results = collect.find_results(
        reading(store), number=number, kind="table", study=study, question=question, allow_mixed=allow_mixed
    )
    _print(table_of(results, number, provenance=provenance), style, as_json=as_json)
    if style is Style.CSV and not as_json:  # which has no place for footnotes
        for mixture in results.mixed:
            print(about_mixture(results, mixture), file=sys.stderr)


@app.command(
    epilog=examples(
        "dymu figure 5 --study studies.digits:ours",
        "dymu figure curves --out figures --format pdf",
        "dymu figure 6 --table --style csv > figure6.csv",
    )
)
@garbage_left()
def figure(
    which: Annotated[
        str,
        typer.Argument(
            metavar="FIGURE",
            help="The number of the paper's figure, 5 to 19, or a name: curves for training curves, "
            "cost_distribution, seeds.",
        ),
    ],
    study: StudyName = None,
    question: QuestionName = None,
    as_table: Annotated[
        bool,
        typer.Option("--table", metavar="", help="Print the numbers behind the figure instead."),
    ] = False,
    style: Annotated[Style, typer.Option(help="How to write the table.")] = Style.TERMINAL,
    provenance: Annotated[
        bool,
        typer.Option("--provenance", metavar="", help="Name the addresses behind the table."),
    ] = False,
    formats: Annotated[
        list[FigureFormat] | None,
        typer.Option("--format", help="Write only this; may be repeated.  \\[default: all three]"),
    ] = None,
    out: OutDir = None,
    store: StoreDir = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print the table as JSON.")] = False,
) -> None:
    """Draw a figure of the paper from records; prints the paths of the files."""
    from dymu.reports import collect, figures

    figures.check_name(which)
    opened = reading(store)
    number = int(which) if which.isdecimal() else None
    results = collect.find_results(opened, number=number, kind="figure", study=study, question=question)
    if as_table or as_json:
        _print(figures.numbers(which, results, opened, provenance=provenance), style, as_json=as_json)
        return
    folder = out or opened.root / "reports" / results.manifest.name
    wanted = [each.value for each in formats or FigureFormat]
    for path in figures.draw(which, results, opened, folder, formats=wanted):
        print(path)


@app.command(
    epilog=examples(
        "dymu claims --question ablations.branching_regularizer",
        "dymu claims --study studies.digits:ours",
        "dymu claims --study studies.pascal5:ours --against studies.nyuv2:ours",
    )
)
@garbage_left()
def claims(
    number: Annotated[int | None, typer.Argument(metavar="NUMBER", help="Of the paper's table.")] = None,
    study: StudyName = None,
    question: QuestionName = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="STUDY",
            help="With --study: the study of other data to compare it with, for claims about two settings.  "
            "\\[default: the one with most seeds]",
        ),
    ] = None,
    style: Annotated[Style, typer.Option(help="How to write the table.")] = Style.TERMINAL,
    allow_mixed: Annotated[
        bool,
        typer.Option(
            "--allow-mixed", metavar="", help="Take records of other revisions or step budgets together."
        ),
    ] = False,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Say which claims are reproduced, not reproduced, or undecided at this many seeds.

    A question has claims of its own; --study alone checks all claims of the paper, G1 to G22, on a study.
    """
    from dymu.reports import collect
    from dymu.reports.claims import check_claims, claims_table
    from dymu.reports.claims_listing import QuestionListing
    from dymu.reports.evidence import gather
    from dymu.reports.footnotes import about_mixture

    if study is not None and question is None and number is None:
        evidence = gather(reading(store), study, allow_mixed=allow_mixed, against=against)
        _print_claims_of_paper(evidence, style, as_json=as_json)
        return
    if against is not None:
        raise ReportError(
            "--against compares two studies; name the first with --study STUDY and nothing else."
        )
    results = collect.find_results(
        reading(store), number=number, kind="table", study=study, question=question, allow_mixed=allow_mixed
    )
    verdicts = check_claims(results)
    made = claims_table(verdicts, target=results.manifest.target)
    mixed = tuple(about_mixture(results, mixture) for mixture in results.mixed)
    made = replace(made, title=f"Claims of {results.manifest.name}", footnotes=(*made.footnotes, *mixed))
    if style is Style.TERMINAL and not as_json:
        make_console().print(QuestionListing(verdicts, made))
    else:
        _print(made, style, as_json=as_json)


@app.command(
    epilog=examples(
        "dymu records --out results.parquet", "dymu records digits-ours.branching_regularizer > results.csv"
    )
)
def records(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Studies or questions; all by default.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A .csv or .parquet file.  \\[default: print CSV]"),
    ] = None,
    store: StoreDir = None,
) -> None:
    """Write all records as one table, a row per arm and seed, for pandas or a spreadsheet."""
    from dymu.reports.frame import records_frame, write_frame

    opened = reading(store)
    named = [manifest for name in names or () for manifest in studies_named(opened, name)]
    frame = records_frame(opened, named if names else opened.manifests())
    if frame.empty:
        raise ReportError(
            f"{opened.location} holds no finished records of what was asked; run the study first."
        )
    if out is None:
        print(frame.to_csv(index=False), end="")
        return
    write_frame(frame, out)
    print(f"{out}: {len(frame)} records, {len(frame.columns)} columns")


def _print_claims_of_paper(evidence: "Evidence", style: Style, *, as_json: bool) -> None:
    from dymu.reports.claims_listing import ClaimsListing
    from dymu.reports.paper_verdicts import findings_table, judge

    findings = judge(evidence, exists=can_run)
    if style is Style.TERMINAL and not as_json:
        make_console().print(ClaimsListing(evidence, findings))
    else:
        _print(findings_table(evidence, findings), style, as_json=as_json)


def _print(made: "Table", style: Style, *, as_json: bool) -> None:
    from dymu.reports import render
    from dymu.reports.table import form

    if as_json:
        print_json(form(made))
    elif style is Style.TERMINAL:
        make_console().print(render.terminal(made))
    else:
        print(render.render(made, style.value), end="")
