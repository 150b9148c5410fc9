"""A table as data: what is printed, whatever it is printed as."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from dymu.reports.compare import Estimate

Mark = Literal["", "best", "second"]
MISSING = "missing"
ARROWS = {True: "↑", False: "↓", None: ""}
STARS: dict[Mark, str] = {"best": "**", "second": "*", "": ""}
"""Marks where text has no styles: in Markdown, and in terminals whose output goes to a file."""
LEGEND: tuple[tuple[Mark, str], ...] = (("best", "best"), ("second", "second best"))
_MOST_LISTED = 5  # seeds
NONE = "–"
"""Where there is nothing to be measured, as in a row that is compared with itself."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell.

    Attributes:
        text: What was measured, as printed: the mean, or any text.
        spread: Half of the interval, as printed; empty if there is none.
        detail: The same in other words, for instance an absolute number beside a fraction.
        paper: What the paper prints, empty if nothing.
        paper_value: The same as a number in the unit of the column, if it is one.
        mark: Whether this is the best or second best of its column.
        ranked: Whether it may be.
        estimate: The numbers behind ``text`` and ``spread``.
        addresses: Of the records behind the numbers, by seed.
    """

    text: str = ""
    spread: str = ""
    detail: str = ""
    paper: str = ""
    paper_value: float | None = None
    mark: Mark = ""
    ranked: bool = True
    estimate: Estimate | None = None
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        title: As printed.
        below: Second line of the header.
        higher_is_better: Decides the arrow behind the title; ``None`` for none.
        plain: Whether cells hold text alone, so that a file of numbers needs one column for it.
        said_below: Whether footnotes say it where all rows have the same, so that terminals leave it out.
    """

    title: str
    below: str = ""
    higher_is_better: bool | None = None
    plain: bool = False
    said_below: bool = False

    @property
    def name(self) -> str:
        """Both lines in one."""
        return f"{self.title} {self.below}".strip()


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        title: One line.
        columns: Columns; the first names the rows.
        rows: Rows of as many cells.
        footnotes: One line each.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    footnotes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows), "a row has another number of cells"


def cleaned(table: Table) -> Table:
    """The table with all text on one line and without control characters, which names may hold."""
    return Table(
        title=_one_line(table.title),
        columns=tuple(
            replace(column, title=_one_line(column.title), below=_one_line(column.below))
            for column in table.columns
        ),
        rows=tuple(tuple(_clean_cell(cell) for cell in row) for row in table.rows),
        footnotes=tuple(map(_one_line, table.footnotes)),
    )


def has_marks(table: Table) -> bool:
    """Whether a legend of marks belongs below the table."""
    return any(cell.mark for row in table.rows for cell in row)


def form(table: Table) -> dict[str, Any]:
    """The table as a JSON value: numbers where there are numbers."""
    return {
        "title": table.title,
        "columns": [column.name for column in table.columns],
        "rows": [
            {column.name: _cell_form(cell) for column, cell in zip(table.columns, row, strict=True)}
            for row in table.rows
        ],
        "footnotes": list(table.footnotes),
    }


def _cell_form(cell: Cell) -> Any:
    if cell.estimate is None and not cell.paper:
        return cell.text
    found: dict[str, Any] = {"text": cell.text}
    if cell.estimate is not None:
        measured = cell.estimate
        found |= {
            "mean": measured.mean,
            "half_width": measured.half_width,
            "low": measured.lower,
            "high": measured.upper,
            "n": measured.n,
        }
    if cell.addresses:
        found["addresses"] = list(cell.addresses)
    for name in ("detail", "paper", "mark"):
        if getattr(cell, name):
            found[name] = getattr(cell, name)
    if cell.paper_value is not None:
        found["paper_value"] = cell.paper_value
    return found


def _clean_cell(cell: Cell) -> Cell:
    if all(text.isprintable() for text in (cell.text, cell.spread, cell.detail, cell.paper)):
        return cell
    return replace(
        cell,
        text=_one_line(cell.text),
        spread=_one_line(cell.spread),
        detail=_one_line(cell.detail),
        paper=_one_line(cell.paper),
    )


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    shown = (" " if unicodedata.category(character) == "Cc" else character for character in text)
    return " ".join("".join(shown).split())


def count(number: float) -> str:
    """A large number in few characters: 41.06M, 15.2k, 980."""
    for size, letter, digits in ((1e9, "G", 2), (1e6, "M", 2), (1e3, "k", 1)):
        if abs(number) >= size:
            return f"{number / size:.{digits}f}{letter}"
    return f"{number:.0f}"


def seed_list(seeds: Sequence[int]) -> str:
    """Seeds as printed: ``0, 1, 4``; many that follow each other as ``0 to 20``."""
    first, last = min(seeds, default=0), max(seeds, default=0)
    if len(seeds) > _MOST_LISTED and sorted(seeds) == list(range(first, last + 1)):
        return f"{first} to {last}"
    return ", ".join(str(seed) for seed in seeds) or "none"


def signed(number: float) -> str:
    """A difference in three digits, without powers of ten: -2.9k, +0.0924."""
    text = count(abs(number)) if abs(number) >= 999.5 else f"{abs(number):.3g}"
    return f"{'-' if number < 0 else '+'}{text}"
