"""What a store knows about a study that its tracking server was not told yet. No server is involved here."""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dymu.artifacts.manifest import Manifest
from dymu.artifacts.record import PROVENANCE, RECORD, Record, loads_record
from dymu.artifacts.store import STEP, Store
from dymu.errors import CorruptArtifactError, StoreError
from dymu.tracking.cursor import Cursor, RunCursor
from dymu.tracking.naming import flat_params
from dymu.tracking.spool import METRICS
from dymu.tracking.tail import Line, Tail, parse_lines

LOG = logging.getLogger(__name__)

EVALUATE = "evaluate"
NOTHING_TOLD = -1


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One arm at one seed: what becomes a run.

    Attributes:
        key: Identity of the run: manifest, arm, seed and evaluation.
        arm: Name of the arm.
        seed: Study seed.
        steps: Stage to address.
    """

    key: str
    arm: str
    seed: int
    steps: Mapping[str, str]


@dataclass(kw_only=True)
class News:
    """What is to be told about one cell.

    Attributes:
        cell: The cell.
        lines: Stage to metrics lines.
        params: Stage to params.
        complete: Stages of which these lines are the last.
        record: The result, if it was published since.
        provenance: Stage to how it came about, of all stages once there is a result.
    """

    cell: Cell
    lines: dict[str, list[Line]] = field(default_factory=dict)
    params: dict[str, dict[str, str]] = field(default_factory=dict)
    complete: list[str] = field(default_factory=list)
    record: Record | None = None
    provenance: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Values to be told; a cell with nothing but a finished stage counts one."""
        lines = sum(len(metrics) for stage in self.lines.values() for _, metrics in stage)
        params = sum(len(params) for params in self.params.values())
        values = len(self.record.values) if self.record else 0
        return lines + params + values or int(bool(self.complete))


def cells_of(manifest: Manifest) -> list[Cell]:
    """All cells of a manifest, arm by arm."""
    return [
        Cell(
            key=f"{manifest.name}/{arm.name}/s{seed}/{steps[EVALUATE].rpartition('/')[2]}",
            arm=arm.name,
            seed=int(seed),
            steps=steps,
        )
        for arm in manifest.arms
        for seed, steps in sorted(arm.steps.items(), key=lambda item: int(item[0]))
    ]


class Newsroom:
    """Looks into a store for what a cursor does not have yet."""

    def __init__(self, store: Store, cells: list[Cell]) -> None:
        self._store = store
        self._cells = cells
        self._tails: dict[str, Tail] = {}
        self._complained: set[str] = set()

    def collect(self, cursor: Cursor) -> list[News]:
        """The news of all cells; lines of a step that runs are handed out once, see :meth:`forget`.

        What an evaluation logs is what its record says, so its lines are left out.
        """
        open_cells = [cell for cell in self._cells if not self._finished(cursor.runs.get(cell.key))]
        # Results first: where one exists, all that it was made from is then seen as published, too.
        look = _Look(self._store, self._tails, [cell.steps[EVALUATE] for cell in open_cells])
        found = []
        for cell in open_cells:
            try:
                news = self._of_cell(cell, cursor.runs.get(cell.key), look)
            except (StoreError, ValueError, KeyError) as error:
                self._damaged(cell, error)
            else:
                if news.size:
                    found.append(news)
        return found

    def forget(self) -> None:
        """Hand out all lines again: what was handed out did not arrive."""
        self._tails.clear()

    @staticmethod
    def _finished(run: RunCursor | None) -> bool:
        return run is not None and run.status == "FINISHED"

    def _of_cell(self, cell: Cell, run: RunCursor | None, look: "_Look") -> News:
        news = News(cell=cell)
        for stage, address in cell.steps.items():
            if run is not None and stage in run.complete:
                continue
            told = run.told.get(stage, NOTHING_TOLD) if run else NOTHING_TOLD
            lines = [] if stage == EVALUATE else [line for line in look.lines(address) if line[0] > told]
            if lines:
                news.lines[stage] = lines
            if run is None or stage not in run.params:
                form = look.form(address, STEP)
                if form is not None:
                    news.params[stage] = flat_params(form["config"], stage)
            if look.published(address):
                news.complete.append(stage)
        if EVALUATE in news.complete:
            evaluation = cell.steps[EVALUATE]
            news.record = loads_record(look.content(evaluation, RECORD) or b"", where=evaluation)
            forms = {stage: look.form(address, PROVENANCE) for stage, address in cell.steps.items()}
            news.provenance = {stage: form for stage, form in forms.items() if form is not None}
        return news

    def _damaged(self, cell: Cell, error: Exception) -> None:
        """Leave a cell for later: a run that needs the damaged step computes it again."""
        if cell.key not in self._complained:
            self._complained.add(cell.key)
            LOG.warning("MLflow is not told about arm %s, seed %d, yet: %s", cell.arm, cell.seed, error)
        self.forget()


class _Look:
    """What the steps of a study have told, each asked once."""

    def __init__(self, store: Store, tails: dict[str, Tail], first: Iterable[str]) -> None:
        self._store = store
        self._tails = tails
        self._published = {address: store.has(address) for address in first}
        self._lines: dict[str, list[Line]] = {}
        self._forms: dict[tuple[str, str], Mapping[str, Any] | None] = {}

    def published(self, address: str) -> bool:
        """Whether a step is done."""
        if address not in self._published:
            self._published[address] = self._store.has(address)
        return self._published[address]

    def lines(self, address: str) -> list[Line]:
        """All metrics lines of a published step; of another those that were not handed out yet."""
        if address not in self._lines:
            if self.published(address):
                content = self.content(address, METRICS)
                self._lines[address] = [] if content is None else parse_lines(content, where=address)
            else:
                file = self._store.look_work(address) / METRICS
                self._lines[address] = self._tails.setdefault(address, Tail(file)).read()
        return self._lines[address]

    def form(self, address: str, name: str) -> Mapping[str, Any] | None:
        """A JSON file of a step, if it has it."""
        if (address, name) not in self._forms:
            content = self.content(address, name)
            self._forms[address, name] = None if content is None else json.loads(content)
        return self._forms[address, name]

    def content(self, address: str, name: str) -> bytes | None:
        """A file of a step, if it has it; only what is asked for is brought from a store elsewhere.

        Raises:
            CorruptArtifactError: If a published file is not what was published.
        """
        if not self.published(address):
            file = self._store.look_work(address) / name
            return file.read_bytes() if file.exists() else None
        known = self._store.done(address)["files"]
        if name not in known:
            return None
        content = self._store.read(address, name)
        if hashlib.sha256(content).hexdigest() != known[name]["sha256"]:
            raise CorruptArtifactError(f"{name} of {address} is damaged. Run its study again.")
        return content
