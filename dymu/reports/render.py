"""Writes a table for a terminal, as Markdown, CSV, LaTeX, HTML or JSON, with text escaped in all of them."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping

from rich.console import RenderableType

from dymu.errors import ReportError
from dymu.reports.html_table import html_page
from dymu.reports.latex_table import latex
from dymu.reports.table import ARROWS, LEGEND, NONE, STARS, Cell, Mark, Table, cleaned, form, has_marks
from dymu.reports.terminal_table import TerminalTable

_PARTS = ("", " low", " high", " n", " paper", " note")


def terminal(table: Table) -> RenderableType:
    """For a rich console: the measured value, its other form, and in brackets the paper's."""
    return TerminalTable(table)


def markdown(table: Table) -> str:
    """GitHub-flavoured Markdown."""
    table = cleaned(table)
    heads = [f"{column.name} {ARROWS[column.higher_is_better]}".strip() for column in table.columns]
    rules = [":--" if column.plain else "--:" for column in table.columns]
    lines = [f"**{_markdown_text(table.title)}**", "", _markdown_row(_markdown_text(head) for head in heads)]
    lines.append(_markdown_row(rules))
    lines += [_markdown_row(_markdown_cell(cell) for cell in row) for row in table.rows]
    lines.append("")
    if has_marks(table):
        best, second = (_markdown_mark(mark, words) for mark, words in LEGEND)
        lines.append(f"- {best} and {second} of a column")
    lines += [f"- {_markdown_text(note)}" for note in table.footnotes]
    return "\n".join(lines).rstrip() + "\n"


def comma_separated(table: Table) -> str:
    """CSV with one header row and a column for each number: mean, ends of the 95 % interval, n, the paper's.

    Numbers have all digits and are empty where there are none; notes say why, and what else stands in a
    cell. A column behind each has the addresses of the records behind its cells, where a table knows them.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    traced = any(cell.addresses for row in table.rows for cell in row)
    header: list[str] = []
    for column in table.columns:
        header += [(column.name or "row") + part for part in ([""] if column.plain else _PARTS)]
        if traced and not column.plain:
            header.append(f"{column.name} records")
    writer.writerow(header)
    for row in table.rows:
        fields: list[str] = []
        for column, cell in zip(table.columns, row, strict=True):
            fields += [cell.text] if column.plain else _numbers(cell)
            if traced and not column.plain:
                fields.append(" ".join(cell.addresses))
        writer.writerow(fields)
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


def _markdown_row(fields: Iterable[str]) -> str:
    return f"| {' | '.join(fields)} |"


def _markdown_text(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~$&])", r"\\\1", text)


def _markdown_cell(cell: Cell) -> str:
    text = _markdown_mark(cell.mark, cell.text)
    if cell.spread:
        text += f" ± {_markdown_text(cell.spread)}"
    if cell.detail:
        text += f" ({_markdown_text(cell.detail)})"
    if cell.paper:
        text += rf" \[{_markdown_text(cell.paper)}\]"
    return text


def _numbers(cell: Cell) -> list[str]:
    measured = cell.estimate
    numbers = [None, None, None] if measured is None else [measured.mean, measured.lower, measured.upper]
    texts = [cell.text] if measured is None and cell.text != NONE else []
    texts += [cell.detail] if cell.detail else []
    if cell.paper and cell.paper_value is None:
        texts.append(f"paper: {cell.paper}")
    return [
        *("" if number is None else repr(number) for number in numbers),
        "" if measured is None else str(measured.n),
        "" if cell.paper_value is None else repr(cell.paper_value),
        ", ".join(texts),
    ]


def _markdown_mark(mark: Mark, text: str) -> str:
    return f"{STARS[mark]}{_markdown_text(text)}{STARS[mark]}"
