"""Prints a table in a terminal of any width."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from dymu.reports.table import ARROWS, LEGEND, STARS, Cell, Mark, Table, cleaned, has_marks

_STYLES = {"best": "bold", "second": "underline", "": ""}


class TerminalTable:
    """A table for a rich console.

    Where it is too wide, each part of a cell gets a line of its own; where even that is too wide, columns
    that do not fit stand below, behind the rows' names again. Columns of one title are not torn apart unless
    they are too wide by themselves.
    """

    def __init__(self, table: Table) -> None:
        self._table = _without_what_notes_say(cleaned(table))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich calls to print."""
        plain = console.color_system is None
        wide = _table(self._table, stacked=False, plain=plain)
        if _widest(console, options, wide) <= options.max_width:
            yield wide
        else:
            for part in self._parts(console, options):
                yield _table(part, stacked=True, plain=plain)
        if has_marks(self._table):
            best, second = (_mark(mark, words, plain) for mark, words in LEGEND)
            yield Text.assemble(best, " and ", second, " of a column")
        for note in self._table.footnotes:
            yield Text(note, style="dim")

    def _parts(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        """Columns that fit together with names of rows broken between words."""

        def width(chosen: Sequence[int]) -> int:
            part = _table(_part(self._table, chosen), stacked=True, plain=console.color_system is None)
            return _widest(console, options, part)

        names = [row[0].text for row in self._table.rows]
        words = [word for name in names for word in name.split()]
        spare = max(map(cell_len, names), default=0) - max(map(cell_len, words), default=0)
        alone = width([])
        widths = {index: width([index]) - alone for index in range(1, len(self._table.columns))}
        for chosen in _shared_out(self._table, widths, options.max_width - alone + spare):
            yield _part(self._table, chosen)


def _shared_out(table: Table, widths: Mapping[int, int], room: int) -> list[list[int]]:
    """Columns in as few parts as there must be, and these as narrow as they can be.

    Args:
        table: The table.
        widths: Column to width, in order; not of the names of rows.
        room: What a part may take; a single column may be wider.
    """

    def taken(indices: Sequence[int]) -> int:
        return sum(widths[index] for index in indices)

    groups = [list(group) for _, group in groupby(widths, lambda index: table.columns[index].title)]

    def within(limit: int) -> list[list[int]]:
        parts: list[list[int]] = []
        for group in groups:
            for indices in [group] if taken(group) <= limit else [[index] for index in group]:
                if not parts or taken([*parts[-1], *indices]) > limit:
                    parts.append([])
                parts[-1] += indices
        return parts

    widest = max(map(taken, groups), default=0)
    found = (within(limit) for limit in range(min(widest, room), room))
    fewest = within(room)
    return next((parts for parts in found if len(parts) == len(fewest)), fewest)


def _without_what_notes_say(table: Table) -> Table:
    """The table without columns that the notes speak for: those in which all rows with anything are alike."""

    def said(index: int) -> bool:
        found = {row[index].text for row in table.rows} - {"", "0"}
        return table.columns[index].said_below and len(found) <= 1

    kept = [index for index in range(1, len(table.columns)) if not said(index)]
    return _part(table, kept) if kept else table


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


def _table(table: Table, *, stacked: bool, plain: bool) -> RichTable:
    made = RichTable(
        box=box.SIMPLE_HEAD,
        title=Text(table.title) if table.title else None,
        title_justify="left",
        title_style="bold",
        padding=(0, 1, 0, 0) if stacked else (0, 1),
        pad_edge=False,
    )
    for index, column in enumerate(table.columns):
        head = f"{column.title} {ARROWS[column.higher_is_better]}".strip()
        made.add_column(
            Text(f"{head}\n{column.below}" if column.below else head),
            justify="left" if column.plain else "right",
            overflow="fold",
            # Only names of rows are broken, unless a single column is too wide.
            no_wrap=stacked and index > 0 and len(table.columns) > 2,
        )
    tall = any(cell.paper or cell.detail for row in table.rows for cell in row)
    for row in table.rows:
        made.add_row(
            *(_cell(cell, stacked=stacked, plain=plain) for cell in row), end_section=tall or stacked
        )
    return made


def _cell(cell: Cell, *, stacked: bool, plain: bool) -> Text:
    text = _mark(cell.mark, cell.text, plain)
    if cell.spread:
        text.append(f"\n±{cell.spread}" if stacked else f" ± {cell.spread}")
    if cell.detail:
        text.append(f"\n{cell.detail}")
    if cell.paper:
        text.append(f"\n[{cell.paper}]".replace(" ", "\n" if stacked else " "), style="dim")
    return text


def _mark(mark: Mark, text: str, plain: bool) -> Text:
    stars = STARS[mark] if plain else ""
    # Not the style of the whole text, which spacing and what is appended would take on.
    return Text().append(f"{stars}{text}{stars}", style=_STYLES[mark])
