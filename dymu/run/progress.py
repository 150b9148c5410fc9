"""Shows how far a run is: a table in a terminal, lines elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dymu.run.plan import Use
from dymu.run.watch import Row, Watch

_LINE_S = 10.0
_STOPPING = "Stopping: steps write their checkpoints. The same signal again leaves at once."
_BAR = 18
_STYLES = {"done": "green", "running": "cyan", "failed": "red", "waiting": "dim"}


class Display:
    """Shows a :class:`Watch`: a table that is drawn anew in a terminal, lines in a pipe or a log file.

    Args:
        watch: What to show.
        console: Where to.
        where: The folder with the results, shown below the table.
    """

    def __init__(self, watch: Watch, console: Console, *, where: str) -> None:
        self._watch = watch
        self._console = console
        self._where = where
        self._began = time.monotonic()
        self._lines = Lines()
        self._stopping = False
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, *, stopping: bool = False) -> None:
        """Look again and show what there is, and that the run is about to stop if it is."""
        self._watch.look()
        if stopping and not self._stopping:
            self._stopping = True
            self._console.print(_STOPPING, soft_wrap=True)
        if self._console.is_terminal:
            self._live.update(self._table(), refresh=True)
        else:
            self._print_lines()

    def _print_lines(self) -> None:
        for line in self._lines.news(self._watch.rows(), time.monotonic()):
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _table(self) -> Group:
        rows = self._watch.rows()
        room = max(3, self._console.height - 6)
        shown = rows if len(rows) <= room else _most_telling(rows, room)
        table = Table(box=None, padding=(0, 2, 0, 0))
        for title in ("arm", "seed", "stage", "", "step", "rate", "left"):
            table.add_column(
                title, header_style="dim", justify="right" if title in ("step", "rate") else "left"
            )
        for row in shown:
            table.add_row(*_cells(row))
        return Group(
            table, Text(self._summary(rows), style="bold"), Text(f"results: {self._where}", style="dim")
        )

    def _summary(self, rows: list[Row]) -> str:
        wanted = self._watch.wanted
        parts = [
            f"{len(self._watch.done & wanted)} of {len(wanted)} steps done",
            f"{sum(row.state == 'failed' for row in rows)} arms failed",
            f"{clock(time.monotonic() - self._began)} gone",
        ]
        left = self._watch.seconds_left()
        parts.append("no estimate yet" if left is None else f"about {clock(left)} left")
        return ", ".join(parts)


class Lines:
    """Progress for a pipe or a log file: a line when an arm enters a stage, and every ten seconds."""

    def __init__(self) -> None:
        self._seen: dict[Use, tuple[str, str]] = {}
        self._last = float("-inf")

    def news(self, rows: list[Row], now: float) -> list[str]:
        """The lines to print; arms that wait for the same step share one."""
        due = now - self._last >= _LINE_S
        groups: dict[tuple[str, str, int], list[Row]] = {}
        for row in rows:
            changed = self._seen.get(row.use) != (row.state, row.address)
            if row.state != "waiting" and (changed or (due and row.state == "running")):
                groups.setdefault((row.state, row.address or row.name, row.use.seed), []).append(row)
            self._seen[row.use] = (row.state, row.address)
        if due:
            self._last = now
        return [_line(members) for members in groups.values()]


def clock(seconds: float) -> str:
    """For instance ``2:05`` or ``1:02:05``."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def _line(rows: list[Row]) -> str:
    first = rows[0]
    who = first.name if len(rows) == 1 else f"{len(rows)} arms"
    told = first.progress
    parts = [time.strftime("%H:%M:%S"), f"{who} seed {first.use.seed}", first.stage, first.state]
    if first.state == "running" and told.total:
        parts.append(f"{told.step}/{told.total}")
        if told.rate:
            parts.append(f"{told.rate:.1f}/s")
        if told.seconds_left is not None:
            parts.append(f"{clock(told.seconds_left)} left")
    return "  ".join(part for part in parts if part)


def _cells(row: Row) -> tuple[Text | ProgressBar, ...]:
    style = _STYLES[row.state]
    told = row.progress
    known = row.state == "running" and told.total > 0
    left = told.seconds_left if known else None
    return (
        Text(row.name),
        Text(str(row.use.seed)),
        Text(row.stage or row.state, style=style),
        ProgressBar(total=told.total, completed=told.step, width=_BAR)
        if known
        else Text("" if row.state in ("done", "running") else row.state, style=style),
        Text(f"{told.step}/{told.total}" if known else ""),
        Text(f"{told.rate:.1f}/s" if known and told.rate else ""),
        Text("" if left is None else clock(left)),
    )


def _most_telling(rows: list[Row], room: int) -> list[Row]:
    order = {"failed": 0, "running": 1, "waiting": 2, "done": 3}
    return sorted(rows, key=lambda row: order[row.state])[:room]
