"""The tables of the paper, from records: what is measured, what the paper has, and what is missing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dymu.artifacts.manifest import ManifestArm
from dymu.reports.collect import Results
from dymu.reports.compare import estimate
from dymu.reports.footnotes import Notes, paper_anchor
from dymu.reports.table import MISSING, Cell, Column, Table, count

_PARAMETERS = "active_parameters"
_FRACTION = "active_parameter_fraction"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A record value as a column.

    Attributes:
        name: Record value name without its resource preference.
        title: As printed.
        text: Prints a mean.
        paper_text: Prints the paper's value, with the digits that the paper has.
        scale: What values are multiplied with before they are printed.
        bare: Whether the value has no resource preference in any method.
    """

    name: str
    title: str
    text: Callable[[float], str]
    paper_text: Callable[[float], str]
    scale: float = 1.0
    bare: bool = False

    def key(self, c: float | None) -> str:
        """Record value name at a resource preference."""
        return self.name if c is None or self.bare else f"{self.name}/c={c:g}"


def _volume(number: float) -> str:
    # Twenty dimensions make hypervolumes of a hundredth.
    return f"{number:.2f}" if abs(number) >= 0.1 or number == 0 else f"{number:.2g}"


def thousandths(number: float) -> str:
    """A number as 0.018."""
    return f"{number:.3f}"


def hundredths(number: float) -> str:
    """A number as 64.11."""
    return f"{number:.2f}"


def _tenths(number: float) -> str:
    return f"{number:.1f}"


HYPERVOLUME = Metric(name="hypervolume", title="HV", text=_volume, paper_text=_volume)
UNIFORMITY = Metric(name="uniformity", title="Unif.", text=thousandths, paper_text=hundredths)
FRACTION = Metric(name=_FRACTION, title="Params", text=_tenths, paper_text=_tenths, scale=100.0)
MACS = Metric(name="active_macs", title="MACs", text=count, paper_text=count)
CONTROL = Metric(name="control_parameters", title="Control", text=count, paper_text=count, bare=True)


def ablation_table(results: Results, *, provenance: bool = False) -> Table:
    """Table 6: one row per arm; hypervolume, uniformity and active parameters at each resource preference.

    A question about methods that have no resource preference is answered by :func:`study_table`.

    Args:
        results: Records of one manifest.
        provenance: Whether to list the address behind each row.
    """
    measured = [arm for arm in results.arms if results.of(arm.name)]
    if any(not results.resource_preferences(arm.name) for arm in measured):
        return study_table(results, provenance=provenance)
    resources = resources_of(results)
    metrics = [(metric, c) for metric in (HYPERVOLUME, UNIFORMITY, FRACTION) for c in resources]
    columns = [Column(title="", plain=True), *(column_of(results, metric, c) for metric, c in metrics)]
    notes = Notes(results)
    rows = [
        [Cell(text=notes.label(arm)), *(cell_of(results, arm, metric, c) for metric, c in metrics)]
        for arm in results.arms
    ]
    return whole_table(results, columns, rows, notes.lines(provenance))


def study_table(results: Results, *, provenance: bool = False) -> Table:
    """Tables 1 to 4: one row per method and resource preference, with the cost of inference and control.

    Args:
        results: Records of one manifest, or of several studies of one dataset.
        provenance: Whether to list the address behind each row.
    """
    metrics = (HYPERVOLUME, UNIFORMITY, FRACTION, MACS, CONTROL)
    resources = resources_of(results)
    columns = [
        Column(title="", plain=True),
        *(column_of(results, metric, None, resources) for metric in metrics),
    ]
    notes = Notes(results)
    rows = []
    for arm in results.arms:
        own: Sequence[float | None] = results.resource_preferences(arm.name) or (None,)
        for c in own:
            label = notes.label(arm) + ("" if c is None else f", c = {c:g}")
            rows.append([Cell(text=label), *(cell_of(results, arm, metric, c) for metric in metrics)])
    return whole_table(results, columns, rows, notes.lines(provenance))


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
        found = {
            float(name.partition("/c=")[2])
            for arm in results.arms
            for name in arm.paper
            if name.startswith(f"{HYPERVOLUME.name}/c=")
        }
    return tuple(sorted(found)) or (0.0, 1.0)


def column_of(results: Results, metric: Metric, c: float | None, also: Sequence[float] = ()) -> Column:
    """The column of a value at a resource preference, or at any of several."""
    keys = [metric.key(c), *(metric.key(other) for other in also)]
    info = next((results.infos[key] for key in keys if key in results.infos), None)
    return Column(
        title=f"{metric.title} %" if metric is FRACTION else metric.title,
        below="" if c is None else f"c = {c:g}",
        higher_is_better=info.higher_is_better if info else None,
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
    values = results.values(arm.name, metric.key(c)) if values is None else values
    if not values:
        return Cell(text=MISSING if not results.of(arm.name) else "–", paper=paper)
    found = estimate([metric.scale * value for value in values.values()])
    return Cell(
        text=metric.text(found.mean),
        spread=metric.text(found.half_width) if found.half_width else "",
        detail=_absolute(results, arm, c) if metric is FRACTION else "",
        paper=paper,
        estimate=found,
    )


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
