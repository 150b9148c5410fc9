"""Writes a table as HTML: a fragment for pages that have a style, and a page of its own.

Everything that a page may want to sort or show by itself stands in data attributes. A column has
``data-sort`` (``text`` or ``number``) and ``data-better`` (``higher`` or ``lower``). A cell has
``data-value`` with all digits (absent where nothing was measured), ``data-half-width``, ``data-n``,
``data-paper``, ``data-mark`` and ``data-addresses`` (separated by spaces).
"""

from collections.abc import Iterator, Sequence
from html import escape

from dymu.reports.table import LEGEND, MISSING, Cell, Column, Table, cleaned, has_marks

_ARROWS = {True: ("↑", "higher is better"), False: ("↓", "lower is better")}
_BETTER = {True: "higher", False: "lower", None: None}
_ELEMENTS = {"best": "strong", "second": "u", "": ""}

_STYLE = """
:root { color-scheme: light dark; }
body { margin: 2rem; font: 15px/1.45 system-ui, sans-serif; color: #1b1b1b; background: #fff; }
figure.dymu-table { margin: 0; max-width: 80rem; }
.dymu-table .scroll { overflow-x: auto; }
.dymu-table table { border-collapse: collapse; border-block: 2px solid currentColor; }
.dymu-table caption { text-align: left; font-weight: 600; padding-block-end: .6rem; }
.dymu-table th, .dymu-table td { padding: .35rem .8rem; text-align: right; vertical-align: top; }
.dymu-table thead th { vertical-align: bottom; border-block-end: 1px solid currentColor; font-weight: 600; }
.dymu-table [data-sort="text"], .dymu-table tbody th, .dymu-table td.plain { text-align: left; }
.dymu-table tbody th { font-weight: 400; }
.dymu-table tbody tr:nth-child(even) { background: #f4f5f7; }
.dymu-table td { font-variant-numeric: tabular-nums; white-space: nowrap; }
.dymu-table td.plain { white-space: normal; }
.dymu-table .below, .dymu-table .detail, .dymu-table .paper { display: block; font-size: .87em; }
.dymu-table .below { font-weight: 400; }
.dymu-table .spread, .dymu-table .detail, .dymu-table .paper { color: #565b63; }
.dymu-table .missing .value { font-style: italic; color: #9a3412; }
.dymu-table .notes { font-size: .87em; color: #43484f; padding-inline-start: 0; list-style: none; }
.dymu-table .notes li { overflow-wrap: anywhere; margin-block: .2rem; }
@media (prefers-color-scheme: dark) {
  body { color: #e8e8e8; background: #16181b; }
  .dymu-table tbody tr:nth-child(even) { background: #1f2226; }
  .dymu-table .spread, .dymu-table .detail, .dymu-table .paper, .dymu-table .notes { color: #aab1ba; }
  .dymu-table .missing .value { color: #fdba74; }
}
""".strip()


def as_html(table: Table) -> str:
    """The table as a ``figure`` element of class ``dymu-table``; no style, no script, all text escaped."""
    table = cleaned(table)
    sorts = [_sort(column, [row[index] for row in table.rows]) for index, column in enumerate(table.columns)]
    heads = "".join(_head(column, sort) for column, sort in zip(table.columns, sorts, strict=True))
    lines = [
        '<figure class="dymu-table">',
        '<div class="scroll" role="region" tabindex="0" ' + _attributes({"aria-label": table.title}) + ">",
        "<table>",
        f"<caption>{escape(table.title)}</caption>",
        f"<thead><tr>{heads}</tr></thead>",
        "<tbody>",
        *(_row(sorts, row) for row in table.rows),
        "</tbody>",
        "</table>",
        "</div>",
    ]
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.footnotes)
    if has_marks(table):
        best, second = (f"<{_ELEMENTS[mark]}>{words}</{_ELEMENTS[mark]}>" for mark, words in LEGEND)
        notes = f"<li>{best} and {second} of a column</li>{notes}"
    if notes:
        lines.append(f'<figcaption><ul class="notes">{notes}</ul></figcaption>')
    return "\n".join([*lines, "</figure>"]) + "\n"


def html_page(table: Table) -> str:
    """The fragment of :func:`as_html` as a page with a style of its own, which opens from a file."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(cleaned(table).title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n"
        f"{as_html(table)}</body>\n</html>\n"
    )


def _sort(column: Column, cells: Sequence[Cell]) -> str:
    """A column of plain text is sorted by number if all of it is whole numbers, as seeds are."""
    return "text" if column.plain and not all(cell.text.isdecimal() for cell in cells) else "number"


def _head(column: Column, sort: str) -> str:
    attributes = {
        "scope": "col",
        "data-sort": sort,
        "data-better": _BETTER[column.higher_is_better],
    }
    parts = [f'<span class="title">{escape(column.title)}</span>']
    if column.higher_is_better is not None:
        arrow, words = _ARROWS[column.higher_is_better]
        parts.append(f' <span class="arrow" role="img" aria-label="{words}" title="{words}">{arrow}</span>')
    if column.below:
        parts.append(f'<span class="below">{escape(column.below)}</span>')
    return f"<th {_attributes(attributes)}>{''.join(parts)}</th>"


def _row(sorts: Sequence[str], row: tuple[Cell, ...]) -> str:
    first = f'<th scope="row">{escape(row[0].text)}</th>'
    return f"<tr>{first}{''.join(_cells(sorts[1:], row[1:]))}</tr>"


def _cells(sorts: Sequence[str], cells: tuple[Cell, ...]) -> Iterator[str]:
    for sort, cell in zip(sorts, cells, strict=True):
        measured = cell.estimate
        whole = cell.text if cell.text.isdecimal() else None
        attributes = {
            "class": "plain" if sort == "text" else "missing" if cell.text == MISSING else None,
            "data-value": whole if measured is None else repr(measured.mean),
            "data-half-width": repr(measured.half_width) if measured and measured.half_width else None,
            "data-n": None if measured is None else str(measured.n),
            "data-paper": cell.paper or None,
            "data-mark": cell.mark or None,
            "data-addresses": " ".join(cell.addresses) or None,
        }
        yield f"<td{_attributes(attributes, before=' ')}>{_content(cell)}</td>"


def _content(cell: Cell) -> str:
    text = f'<span class="value">{escape(cell.text)}</span>'
    element = _ELEMENTS[cell.mark]
    parts = [f"<{element}>{text}</{element}>" if element else text]
    if cell.spread:
        parts.append(f' <span class="spread">± {escape(cell.spread)}</span>')
    if cell.detail:
        parts.append(f' <span class="detail">{escape(cell.detail)}</span>')
    if cell.paper:
        parts.append(f' <span class="paper" title="printed in the paper">[{escape(cell.paper)}]</span>')
    return "".join(parts)


def _attributes(given: dict[str, str | None], *, before: str = "") -> str:
    """Attributes that have a value; text is escaped for double quotes."""
    text = " ".join(f'{name}="{escape(value)}"' for name, value in given.items() if value is not None)
    return before + text if text else ""
