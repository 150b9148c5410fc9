"""What a store knows about a study that its tracking server was not told yet. No server is involved here."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dymu.artifacts.manifest import Manifest
from dymu.artifacts.record import PROVENANCE, Record, read_record
from dymu.artifacts.store import STEP, Store
from dymu.errors import StoreError
from dymu.tracking.cursor import Cursor, RunCursor
from dymu.tracking.naming import flat_params
from dymu.tracking.spool import METRICS
from dymu.tracking.tail import Line, Tail

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
        self._tails: dict[Path, Tail] = {}
        self._complained: set[str] = set()

    def collect(self, cursor: Cursor) -> list[News]:
        """The news of all cells; lines are handed out once, see :meth:`forget`.

        What an evaluation logs is what its record says, so its lines are left out.
        """
        open_cells = [cell for cell in self._cells if not self._finished(cursor.runs.get(cell.key))]
        # Results first: where one exists, all that it was made from is then seen as published, too.
        folders = {cell.steps[EVALUATE]: self._folder(cell.steps[EVALUATE]) for cell in open_cells}
        lines: dict[str, list[Line]] = {}
        found = []
        for cell in open_cells:
            try:
                news = self._of_cell(cell, cursor.runs.get(cell.key), folders, lines)
            except (StoreError, ValueError, KeyError) as error:
                self._damaged(cell, error)
            else:
                if news.size:
                    found.append(news)
        return found

    def _of_cell(
        self,
        cell: Cell,
        run: RunCursor | None,
        folders: dict[str, tuple[Path, bool]],
        lines: dict[str, list[Line]],
    ) -> News:
        news = News(cell=cell)
        for stage, address in cell.steps.items():
            if run is not None and stage in run.complete:
                continue
            if address not in folders:
                folders[address] = self._folder(address)
            if address not in lines:
                lines[address] = [] if stage == EVALUATE else self._tail(folders[address][0]).read()
            self._look(news, stage, folders[address], lines[address], run)
        if news.record is not None:
            news.provenance = self._provenance(cell)
        return news

    def _damaged(self, cell: Cell, error: Exception) -> None:
        """Leave a cell for later: a run that needs the damaged step computes it again."""
        if cell.key not in self._complained:
            self._complained.add(cell.key)
            LOG.warning("MLflow is not told about arm %s, seed %d, yet: %s", cell.arm, cell.seed, error)
        self.forget()

    @staticmethod
    def _finished(run: RunCursor | None) -> bool:
        return run is not None and run.status == "FINISHED"

    def forget(self) -> None:
        """Hand out all lines again: what was handed out did not arrive."""
        self._tails.clear()

    def _folder(self, address: str) -> tuple[Path, bool]:
        if self._store.has(address):
            return self._store.path(address), True
        return self._store.look_work(address), False

    def _tail(self, folder: Path) -> Tail:
        return self._tails.setdefault(folder, Tail(folder / METRICS))

    def _look(
        self, news: News, stage: str, place: tuple[Path, bool], lines: list[Line], run: RunCursor | None
    ) -> None:
        folder, published = place
        told = run.told.get(stage, NOTHING_TOLD) if run else NOTHING_TOLD
        fresh = [line for line in lines if line[0] > told]
        if fresh:
            news.lines[stage] = fresh
        if (run is None or stage not in run.params) and (folder / STEP).exists():
            form = json.loads((folder / STEP).read_text(encoding="utf-8"))
            news.params[stage] = flat_params(form["config"], stage)
        if published:
            news.complete.append(stage)
            if stage == EVALUATE:
                news.record = read_record(folder)

    def _provenance(self, cell: Cell) -> dict[str, Mapping[str, Any]]:
        found = {}
        for stage, address in cell.steps.items():
            file = self._folder(address)[0] / PROVENANCE
            if file.exists():
                found[stage] = json.loads(file.read_text(encoding="utf-8"))
        return found
