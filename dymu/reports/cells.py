"""Columns and cells of tables from records: means, intervals, the paper's values and marks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from dymu.artifacts.manifest import ManifestArm
from dymu.metrics import cost
from dymu.reports.collect import Results
from dymu.reports.compare import estimate
from dymu.reports.footnotes import paper_anchor
from dymu.reports.metric import CONTROL, FRACTION, HYPERVOLUME, Metric
from dymu.reports.shares import active_shares
from dymu.reports.table import MISSING, NONE, Cell, Column, Mark, Table, count

SEEDS = Column(title="n", plain=True, said_below=True)

_PARAMETERS = cost.ACTIVE_PARAMETERS.name
_MARKS: tuple[Mark, ...] = ("best", "second")
# What answers without looking at the image is a floor, not a competitor.
_FLOOR = "constant"


def whole_table(
    results: Results,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    notes: Iterable[str],
    *,
    provenance: bool = False,
) -> Table:
    """Columns and rows under the title of what was asked, the best of each column marked.

    With ``provenance`` the addresses behind each cell stand below the notes.
    """
    manifest = results.manifest
    title = f"{manifest.title} ({manifest.study})" if manifest.title != manifest.study else manifest.title
    if manifest.source:
        title = f"{manifest.source}. {title}"
    marked = _marked(columns, rows)
    sources = [line for row in marked for line in _sources(columns, row)] if provenance else []
    return Table(title=title, columns=tuple(columns), rows=marked, footnotes=(*notes, *sources))


def resources_of(results: Results) -> tuple[float, ...]:
    """Resource preferences of all arms; of the paper while nothing was measured."""
    found = {c for arm in results.arms for c in results.resource_preferences(arm.name)}
    if not found:  # nothing was measured yet: what the paper prints
        found = {c for arm in results.arms for c in _printed_resources(arm)}
    return tuple(sorted(found)) or (0.0, 1.0)


def own_resources(results: Results, arm: ManifestArm) -> tuple[float | None, ...]:
    """Resource preferences of an arm's rows: measured, else printed by the paper, else ``None`` alone."""
    if results.of(arm.name):
        return results.resource_preferences(arm.name) or (None,)
    return _printed_resources(arm) or (None,)


def column_of(results: Results, metric: Metric, c: float | None, also: Sequence[float] = ()) -> Column:
    """The column of a value at a resource preference, or at any of several."""
    keys = [metric.key(c), *(metric.key(other) for other in also)]
    info = next((results.infos[key] for key in keys if key in results.infos), None)
    return Column(
        title=f"{metric.title} %" if metric is FRACTION else metric.title,
        below="" if c is None else f"c = {c:g}",
        higher_is_better=info.higher_is_better if info else metric.higher_is_better,
    )


def cell_of(
    results: Results,
    arm: ManifestArm,
    metric: Metric,
    c: float | None,
    values: Mapping[int, float] | None = None,
) -> Cell:
    """The cell of an arm: the record values of its seeds, or what is given for them."""
    paper, paper_value = _paper(results, arm, metric, c)
    records = results.of(arm.name)
    if values is None and metric is FRACTION:
        values = active_shares(results, arm, c)
    values = results.values(arm.name, metric.key(c)) if values is None else values
    if not values:
        return Cell(text=MISSING if not records else NONE, paper=paper, paper_value=paper_value)
    found = estimate([metric.scale * value for value in values.values()])
    details = [_absolute(results, arm, c) if metric is FRACTION else ""]
    details.append(f"n = {found.n}" if found.n != len(records) else "")
    return Cell(
        text=metric.text(found.mean),
        spread="" if found.exact else metric.text(found.half_width or 0.0),
        detail=", ".join(filter(None, details)),
        paper=paper,
        paper_value=paper_value,
        ranked=_is_ranked(results, arm, metric, values),
        estimate=found,
        addresses=tuple(records[seed].address for seed in values),
    )


def seeds_of(results: Results, arm: ManifestArm) -> Cell:
    """The number of seeds behind a row; a cell that has fewer says so itself."""
    return Cell(text=str(len(results.of(arm.name))))


def _sources(columns: Sequence[Column], row: Sequence[Cell]) -> Iterator[str]:
    """The cells of a row that come from the same records, with their addresses."""
    names: dict[tuple[str, ...], list[str]] = {}
    for column, cell in zip(columns, row, strict=True):
        if cell.addresses:
            names.setdefault(cell.addresses, []).append(column.name)
    for addresses, found in names.items():
        yield f"Cells of {row[0].text}: {', '.join(found)} from {', '.join(addresses)}."


def _printed_resources(arm: ManifestArm) -> tuple[float, ...]:
    names = (name.partition("/c=") for name in arm.paper)
    return tuple(sorted({float(c) for name, _, c in names if name == HYPERVOLUME.name and c}))


def _absolute(results: Results, arm: ManifestArm, c: float | None) -> str:
    name = _PARAMETERS if c is None else f"{_PARAMETERS}/c={c:g}"
    values = list(results.values(arm.name, name).values())
    return count(estimate(values).mean) if values else ""


def _paper(results: Results, arm: ManifestArm, metric: Metric, c: float | None) -> tuple[str, float | None]:
    """What the paper prints, as text and in the unit of the column; ``None`` if it prints no such number."""
    paper = arm.paper
    if metric is not FRACTION:
        printed = paper.get(metric.key(c))
        return ("", None) if printed is None else (metric.paper_text(printed), metric.scale * printed)
    absolute = paper.get(_PARAMETERS if c is None else f"{_PARAMETERS}/c={c:g}")
    anchor = paper_anchor(results, arm)
    fraction = paper.get(metric.key(c), absolute / anchor if absolute and anchor else None)
    parts = [metric.paper_text(metric.scale * fraction)] if fraction is not None else []
    if absolute is not None:
        parts.append(f"({count(absolute)})" if parts else count(absolute))
    return " ".join(parts), None if fraction is None else metric.scale * fraction


def _is_ranked(results: Results, arm: ManifestArm, metric: Metric, values: Mapping[int, float]) -> bool:
    """Whether a cell may be best: not with fewer seeds than others, nor where a method has no such thing."""
    records = results.of(arm.name)
    most = max(len(results.of(other.name)) for other in results.arms)
    if any(record.method == _FLOOR for record in records.values()) or len(values) < most:
        return False
    return metric is not CONTROL or any(values.values())


def _marked(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> tuple[tuple[Cell, ...], ...]:
    """The best and second best of each column; what is printed alike is marked alike."""
    marked = [list(row) for row in rows]
    for index, column in enumerate(columns):
        if column.higher_is_better is None:
            continue
        ranked = [(row, row[index].estimate) for row in marked if row[index].ranked]
        known = [(row, found.mean) for row, found in ranked if found is not None]
        known.sort(key=lambda pair: pair[1], reverse=column.higher_is_better)
        texts = list(dict.fromkeys(row[index].text for row, _ in known))
        for row, _ in known if len(texts) > 1 else ():
            place = texts.index(row[index].text)
            row[index] = replace(row[index], mark=_MARKS[place] if place < len(_MARKS) else "")
    return tuple(tuple(row) for row in marked)
