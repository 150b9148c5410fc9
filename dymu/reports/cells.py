"""Columns and cells of tables from records: means, intervals, the paper's values and marks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dymu.artifacts.manifest import ManifestArm
from dymu.metrics import cost
from dymu.reports.collect import Results
from dymu.reports.compare import estimate
from dymu.reports.footnotes import paper_anchor
from dymu.reports.metric import FRACTION, HYPERVOLUME, Metric
from dymu.reports.table import MISSING, Cell, Column, Table, count

SEEDS = Column(title="n", plain=True)

_PARAMETERS = cost.ACTIVE_PARAMETERS.name


def whole_table(
    results: Results, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], notes: Iterable[str]
) -> Table:
    """Columns and rows under the title of what was asked, the best of each column marked."""
    manifest = results.manifest
    title = f"{manifest.title} ({manifest.study})" if manifest.title != manifest.study else manifest.title
    if manifest.source:
        title = f"{manifest.source}. {title}"
    marked = _marked(columns, rows)
    return Table(title=title, columns=tuple(columns), rows=marked, footnotes=tuple(notes))


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
    paper = _paper(results, arm, metric, c)
    records = results.of(arm.name)
    values = results.values(arm.name, metric.key(c)) if values is None else values
    if not values:
        return Cell(text=MISSING if not records else "–", paper=paper)
    found = estimate([metric.scale * value for value in values.values()])
    details = [_absolute(results, arm, c) if metric is FRACTION else ""]
    details.append(f"n = {found.n}" if found.n != len(records) else "")
    return Cell(
        text=metric.text(found.mean),
        spread=metric.text(found.half_width) if found.half_width else "",
        detail=", ".join(filter(None, details)),
        paper=paper,
        estimate=found,
        addresses=tuple(records[seed].address for seed in values),
    )


def seeds_of(results: Results, arm: ManifestArm) -> Cell:
    """The number of seeds behind a row; a cell that has fewer says so itself."""
    return Cell(text=str(len(results.of(arm.name))))


def _printed_resources(arm: ManifestArm) -> tuple[float, ...]:
    names = (name.partition("/c=") for name in arm.paper)
    return tuple(sorted({float(c) for name, _, c in names if name == HYPERVOLUME.name and c}))


def _absolute(results: Results, arm: ManifestArm, c: float | None) -> str:
    name = _PARAMETERS if c is None else f"{_PARAMETERS}/c={c:g}"
    values = list(results.values(arm.name, name).values())
    return count(estimate(values).mean) if values else ""


def _paper(results: Results, arm: ManifestArm, metric: Metric, c: float | None) -> str:
    paper = arm.paper
    if metric is not FRACTION:
        return metric.paper_text(paper[metric.key(c)]) if metric.key(c) in paper else ""
    absolute = paper.get(_PARAMETERS if c is None else f"{_PARAMETERS}/c={c:g}")
    anchor = paper_anchor(results, arm)
    fraction = paper.get(metric.key(c), absolute / anchor if absolute and anchor else None)
    parts = [f"{100 * fraction:.1f}"] if fraction is not None else []
    if absolute is not None:
        parts.append(f"({count(absolute)})" if parts else count(absolute))
    return " ".join(parts)


def _marked(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> tuple[tuple[Cell, ...], ...]:
    marked = [list(row) for row in rows]
    for index, column in enumerate(columns):
        if column.higher_is_better is None:
            continue
        sign = -1 if column.higher_is_better else 1
        estimates = [(row, row[index].estimate) for row in marked]
        means = sorted({sign * found.mean for _, found in estimates if found is not None})
        for row, found in estimates:
            if found is not None and len(means) > 1 and sign * found.mean in means[:2]:
                best = sign * found.mean == means[0]
                row[index] = replace(row[index], mark="best" if best else "second")
    return tuple(tuple(row) for row in marked)
