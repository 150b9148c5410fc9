"""Shows a search that runs: in a terminal a table that is drawn anew, elsewhere a line for each answer."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dymu.artifacts.store import Store
from dymu.artifacts.trials import SearchResult, Trial, short_names
from dymu.run.plan import Chain
from dymu.run.progress import clock
from dymu.run.search.desk import Desk
from dymu.run.search.queue import SearchQueue
from dymu.run.work import read_progress

_STOPPING = "Stopping: steps write their checkpoints. The same signal again leaves at once."
_STYLES = {"complete": "green", "running": "cyan", "failed": "red", "pruned": "yellow"}
_MARGIN = 8


class SearchDisplay:
    """Shows the trials of a queue.

    Args:
        queue: What runs.
        desks: Whose trials are shown.
        store: Where steps tell how far they are.
        console: Where to.
    """

    def __init__(self, queue: SearchQueue, desks: Sequence[Desk], store: Store, console: Console) -> None:
        self._queue = queue
        self._desks = desks
        self._store = store
        self._console = console
        self._began = time.monotonic()
        self._told: set[tuple[str, int]] = set()
        self._stopping = False
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)

    def __enter__(self) -> Self:
        for desk in self._desks:  # what an earlier command has answered is no news
            self._told |= {(desk.key, t.number) for t in desk.result().trials if t.state != "running"}
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.show()  # the last answers
        self._live.stop()

    def show(self, *, stopping: bool = False) -> None:
        """Look again and show what there is, and that the run is about to stop if it is."""
        results = {desk.key: desk.result() for desk in self._desks}
        if stopping and not self._stopping:
            self._stopping = True
            self._console.print(_STOPPING, soft_wrap=True)
        if self._console.is_terminal:
            self._live.update(self._table(results), refresh=True)
            return
        for key, result in results.items():
            for trial in result.trials:
                if trial.state != "running" and (key, trial.number) not in self._told:
                    self._told.add((key, trial.number))
                    line = f"{time.strftime('%H:%M:%S')}  {trial_line(result, trial)}"
                    self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _table(self, results: dict[str, SearchResult]) -> Group:
        room = max(3, (self._console.height - _MARGIN) // len(results))
        parts: list[Table | Text] = []
        for result in results.values():
            parts += [self._trials(result, room), Text(standing(result), style="bold")]
        counts = self._queue.counts
        work = (
            f"{clock(time.monotonic() - self._began)} gone; of {counts.wanted} steps {counts.computed} to "
            f"compute, {counts.found} in the store, {counts.joined} on their way for another trial"
        )
        return Group(*parts, Text(work, style="dim"))

    def _trials(self, result: SearchResult, room: int) -> Table:
        names = short_names(result.space)
        table = Table(box=None, padding=(0, 2, 0, 0), title=Text(result.name), title_justify="left")
        titles = ("trial", "", *(goal.value for goal in result.goals), *names.values())
        for title in titles:
            table.add_column(title, header_style="dim", overflow="fold")
        for trial in result.trials[-room:]:
            state = self._reached(result, trial) if trial.state == "running" else trial.state
            measured = [number(value) for value in trial.objectives] or [""] * len(result.goals)
            params = [parameter(trial, path) for path in names]
            table.add_row(str(trial.number), Text(state, style=_STYLES[trial.state]), *measured, *params)
        return table

    def _reached(self, result: SearchResult, trial: Trial) -> str:
        """How far the steps of a trial are that run."""
        name = f"trial-{trial.number}"
        mine = [
            chain
            for chain in self._queue.running
            if any((use.target, use.arm) == (result.name, name) for use in chain.users)
        ]
        return ", ".join(filter(None, (self._step(chain) for chain in mine))) or "waiting"

    def _step(self, chain: Chain) -> str:
        for step in chain.steps:
            if not self._store.has(step.address):
                told = read_progress(self._store, step.address)
                return f"{step.stage} {told.step}/{told.total}" if told.total else step.stage
        return ""


def trial_line(result: SearchResult, trial: Trial) -> str:
    """One answer: trial, state, objectives, values, and the best so far."""
    names = short_names(result.space)
    parts = [f"{result.name} trial {trial.number} {trial.state}"]
    parts += [
        f"{goal.value} = {number(value)}"
        for goal, value in zip(result.goals, trial.objectives or (), strict=False)
    ]
    if trial.error:
        parts.append(trial.error.splitlines()[0])
    parts += [f"{names[path]}={parameter(trial, path)}" for path in result.space if path in trial.params]
    if trial.answered:
        parts.append("from the store")
    parts.append(f"[{standing(result)}]")
    return "  ".join(parts)


def standing(result: SearchResult) -> str:
    """How many trials are answered, and what is best."""
    answered = sum(trial.state != "running" for trial in result.trials)
    count = f"{answered} of {result.budget}"
    best = result.ranked()
    if not best:
        return f"{count}, nothing complete yet"
    if len(result.goals) > 1:
        return f"{count}, {len(result.pareto())} in the Pareto set"
    return f"{count}, best {number(best[0].objectives[0])} of trial {best[0].number}"


def number(value: float) -> str:
    """A measured value in few characters."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def parameter(trial: Trial, path: str) -> str:
    """A proposed value in few characters; empty if the trial does not have it."""
    value = trial.params.get(path, "")
    return f"{value:.4g}" if isinstance(value, float) else str(value)
