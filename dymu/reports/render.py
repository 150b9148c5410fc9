"""Writes a table for a terminal, as Markdown, CSV, LaTeX, HTML or JSON, with text escaped in all of them."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from dymu.errors import ReportError
from dymu.reports.html_table import html_page
from dymu.reports.table import Cell, Column, Table, form

_ARROWS = {True: "↑", False: "↓", None: ""}
_LATEX_ARROWS = {True: r" $\uparrow$", False: r" $\downarrow$", None: ""}
_STYLES = {"best": "bold", "second": "underline", "": ""}
_NOTHING = "\u200b"  # stands between hyphens that would become a dash
_LATEX_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    # Behind the end of a row these two would be an argument of it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    # Typed as they are these become other characters.
    "`": r"\`{}",
    '"': "''",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "°": r"$^\circ$",
    "–": "--",
    "−": "$-$",
    _NOTHING: "{}",
    "…": r"\ldots{}",
}


class TerminalTable:
    """A table for a rich console.

    Where it is too wide, each part of a cell gets a line of its own; where even that is too wide, columns
    that do not fit stand below, behind the rows' names again.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich calls to print."""
        wide = _terminal_table(self._table, stacked=False)
        if _widest(console, options, wide) <= options.max_width:
            yield wide
        else:
            for part in self._parts(console, options):
                yield _terminal_table(part, stacked=True)
        for note in self._table.footnotes:
            yield Text(note, style="dim")

    def _parts(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        """As many columns at a time as fit with names of rows broken between words."""
        names = [row[0].text for row in self._table.rows]
        words = [word for name in names for word in name.split()]
        spare = max(map(cell_len, names), default=0) - max(map(cell_len, words), default=0)
        chosen: list[int] = []
        for index in range(1, len(self._table.columns)):
            more = _terminal_table(_part(self._table, [*chosen, index]), stacked=True)
            if chosen and _widest(console, options, more) - spare > options.max_width:
                yield _part(self._table, chosen)
                chosen = []
            chosen.append(index)
        yield _part(self._table, chosen)


def terminal(table: Table) -> RenderableType:
    """For a rich console: the measured value, its other form, and in brackets the paper's."""
    return TerminalTable(table)


def markdown(table: Table) -> str:
    """GitHub-flavoured Markdown."""
    heads = [f"{column.name} {_ARROWS[column.higher_is_better]}".strip() for column in table.columns]
    rules = [":--" if column.plain else "--:" for column in table.columns]
    lines = [f"**{_markdown_text(table.title)}**", "", _markdown_row(_markdown_text(head) for head in heads)]
    lines.append(_markdown_row(rules))
    lines += [_markdown_row(_markdown_cell(cell) for cell in row) for row in table.rows]
    lines += ["", *(f"- {_markdown_text(note)}" for note in table.footnotes)]
    return "\n".join(lines).rstrip() + "\n"


def latex(table: Table) -> str:
    """A ``tabular`` for the packages booktabs and xcolor, notes below it."""
    alignment = "".join("l" if column.plain else "r" for column in table.columns)
    heads = " & ".join(_latex_head(column) for column in table.columns)
    belows = " & ".join(_latex_text(column.below) for column in table.columns)
    lines = [f"% {_latex_text(table.title)}", rf"\begin{{tabular}}{{@{{}}{alignment}@{{}}}}", r"\toprule"]
    lines.append(rf"{heads} \\")
    if any(column.below for column in table.columns):
        lines.append(rf"{belows} \\")
    lines.append(r"\midrule")
    for row in table.rows:
        lines.append(" & ".join(_latex_cell(cell) for cell in row) + r" \\")
        if any(cell.paper for cell in row):
            papers = (rf"\textcolor{{gray}}{{[{_latex_text(c.paper)}]}}" if c.paper else "" for c in row)
            lines.append(" & ".join(papers) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par{{\footnotesize {_latex_text(note)}}}" for note in table.footnotes]
    return "\n".join(lines) + "\n"


def comma_separated(table: Table) -> str:
    """CSV with a column for each number: mean, half width of the interval, n, and the paper's value.

    The last column has the addresses of the records behind a row.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    header: list[str] = []
    for column in table.columns:
        parts = [""] if column.plain else ["", " half width", " n", " in other words", " paper"]
        header += [column.name + part for part in parts]
    traced = any(cell.addresses for row in table.rows for cell in row)
    writer.writerow([*header, "records"] if traced else header)
    for row in table.rows:
        fields: list[str] = []
        for column, cell in zip(table.columns, row, strict=True):
            fields += [cell.text] if column.plain else _numbers(cell)
        addresses = dict.fromkeys(address for cell in row for address in cell.addresses)
        writer.writerow([*fields, " ".join(addresses)] if traced else fields)
    return out.getvalue()


def as_json(table: Table) -> str:
    """JSON text of :func:`dymu.reports.table.form`."""
    return json.dumps(form(table), indent=1, ensure_ascii=False) + "\n"


_RENDERERS: Mapping[str, Callable[[Table], str]] = {
    "markdown": markdown,
    "csv": comma_separated,
    "latex": latex,
    "html": html_page,
    "json": as_json,
}


def render(table: Table, style: str) -> str:
    """The table as text.

    Args:
        table: The table.
        style: ``markdown``, ``csv``, ``latex``, ``html`` or ``json``.

    Raises:
        ReportError: If there is no such style.
    """
    if style not in _RENDERERS:
        raise ReportError(f"there is no style {style!r} for tables; there is {', '.join(_RENDERERS)}.")
    return _RENDERERS[style](table)


def _widest(console: Console, options: ConsoleOptions, made: RichTable) -> int:
    """Width of a table that has all the room it wants."""
    return Measurement.get(console, options.update(max_width=10_000), made).maximum


def _part(table: Table, chosen: Sequence[int]) -> Table:
    """The first column and some others; the title only where the first of them is."""
    columns = [0, *chosen]
    return replace(
        table,
        title=table.title if not chosen or 1 in chosen else "",
        columns=tuple(table.columns[index] for index in columns),
        rows=tuple(tuple(row[index] for index in columns) for row in table.rows),
    )


def _terminal_table(table: Table, *, stacked: bool) -> RichTable:
    made = RichTable(
        box=box.SIMPLE_HEAD,
        title=Text(table.title) if table.title else None,
        title_justify="left",
        title_style="bold",
        padding=(0, 1, 0, 0) if stacked else (0, 1),
        pad_edge=False,
    )
    for index, column in enumerate(table.columns):
        head = f"{column.title} {_ARROWS[column.higher_is_better]}".strip()
        made.add_column(
            Text(f"{head}\n{column.below}" if column.below else head),
            justify="left" if column.plain else "right",
            overflow="fold",
            # Only names of rows are broken, unless a single column is too wide.
            no_wrap=stacked and index > 0 and len(table.columns) > 2,
        )
    tall = any(cell.paper or cell.detail for row in table.rows for cell in row)
    for row in table.rows:
        made.add_row(*(_terminal_cell(cell, stacked=stacked) for cell in row), end_section=tall or stacked)
    return made


def _terminal_cell(cell: Cell, *, stacked: bool) -> Text:
    text = Text()
    text.append(cell.text, style=_STYLES[cell.mark])
    if cell.spread:
        text.append(f"\n±{cell.spread}" if stacked else f" ± {cell.spread}")
    if cell.detail:
        text.append(f"\n{cell.detail}")
    if cell.paper:
        text.append(f"\n[{cell.paper}]".replace(" ", "\n" if stacked else " "), style="dim")
    return text


def _markdown_row(fields: Iterable[str]) -> str:
    return f"| {' | '.join(fields)} |"


def _markdown_text(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", text.replace("\n", " "))


def _markdown_cell(cell: Cell) -> str:
    text = _markdown_text(cell.text)
    text = {"best": f"**{text}**", "second": f"<u>{text}</u>", "": text}[cell.mark]
    if cell.spread:
        text += f" ± {_markdown_text(cell.spread)}"
    if cell.detail:
        text += f" ({_markdown_text(cell.detail)})"
    if cell.paper:
        text += rf" \[{_markdown_text(cell.paper)}\]"
    return text


def _latex_text(text: str) -> str:
    text = re.sub(r"(?<![\w-])-(?=\.?\d)", "−", " ".join(text.split()))
    text = re.sub("-(?=-)", f"-{_NOTHING}", text)
    return "".join(_LATEX_CHARACTERS.get(character, character) for character in text)


def _latex_head(column: Column) -> str:
    return _latex_text(column.title) + _LATEX_ARROWS[column.higher_is_better]


def _latex_cell(cell: Cell) -> str:
    text = _latex_text(cell.text)
    text = {"best": rf"\textbf{{{text}}}", "second": rf"\underline{{{text}}}", "": text}[cell.mark]
    if cell.spread:
        text += rf" {{\scriptsize$\pm${_latex_text(cell.spread)}}}"
    if cell.detail:
        text += f" ({_latex_text(cell.detail)})"
    return text


def _numbers(cell: Cell) -> list[str]:
    measured = cell.estimate
    if measured is None:
        return [cell.text, "", "", cell.detail, cell.paper]
    width = "" if measured.half_width is None else repr(measured.half_width)
    return [repr(measured.mean), width, str(measured.n), cell.detail, cell.paper]
