"""The tables of the paper, from records: what is measured, what the paper has, and what is missing."""

from collections.abc import Sequence

from dymu.artifacts.manifest import ManifestArm
from dymu.reports.cells import (
    SEEDS,
    column_of,
    own_resources,
    resources_of,
    seeds_of,
    whole_table,
)
from dymu.reports.collect import Results
from dymu.reports.footnotes import Notes
from dymu.reports.metric import CONTROL, FRACTION, HYPERVOLUME, MACS, UNIFORMITY
from dymu.reports.other_columns import OtherColumns
from dymu.reports.significance import Significance
from dymu.reports.table import Cell, Column, Table


def ablation_table(results: Results, *, provenance: bool = False) -> Table:
    """Tables 6 and 8: one row per arm; hypervolume, uniformity and active parameters at each c.

    A question about methods that have no resource preference is answered by :func:`study_table`.

    Args:
        results: Records of one manifest.
        provenance: Whether to list the addresses behind each cell.
    """
    measured = [arm for arm in results.arms if results.of(arm.name)]
    if any(not results.resource_preferences(arm.name) for arm in measured):
        return study_table(results, provenance=provenance)
    resources = resources_of(results)
    others = OtherColumns(results)
    metrics = [
        (metric, c) for metric in (HYPERVOLUME, *others.metrics, UNIFORMITY, FRACTION) for c in resources
    ]
    tested = _tested(results, [(arm, c) for arm in results.arms for c in resources])
    columns = [Column(title="", plain=True), *(column_of(results, metric, c) for metric, c in metrics), SEEDS]
    columns += tested.columns(resources)
    notes = Notes(results)
    rows = [
        [
            Cell(text=notes.label(arm)),
            *(others.cell(metric, arm, c) for metric, c in metrics),
            seeds_of(results, arm),
            *tested.cells(arm, resources),
        ]
        for arm in results.arms
    ]
    lines = notes.lines(provenance, [*others.notes(), *tested.notes()])
    return whole_table(results, columns, rows, lines, provenance=provenance)


def study_table(results: Results, *, provenance: bool = False) -> Table:
    """Tables 1 to 4: one row per method and resource preference, with the cost of inference and control.

    Args:
        results: Records of one manifest, or of several studies of one dataset.
        provenance: Whether to list the addresses behind each cell.
    """
    others = OtherColumns(results)
    metrics = (HYPERVOLUME, *others.metrics, UNIFORMITY, FRACTION, MACS, CONTROL)
    resources = resources_of(results)
    places = [(arm, c) for arm in results.arms for c in own_resources(results, arm)]
    tested = _tested(results, places)
    columns = [
        Column(title="", plain=True),
        *(column_of(results, metric, None, resources) for metric in metrics),
        SEEDS,
        *tested.columns(),
    ]
    notes = Notes(results)
    rows = [
        [
            Cell(text=notes.label(arm) + ("" if c is None else f", c = {c:g}")),
            *(others.cell(metric, arm, c) for metric in metrics),
            seeds_of(results, arm),
            *tested.cells(arm, [c]),
        ]
        for arm, c in places
    ]
    lines = notes.lines(provenance, [*others.notes(), *tested.notes()])
    return whole_table(results, columns, rows, lines, provenance=provenance)


def _tested(results: Results, places: Sequence[tuple[ManifestArm, float | None]]) -> Significance:
    return Significance(
        results, HYPERVOLUME.title, lambda arm, c: results.values(arm.name, HYPERVOLUME.key(c)), places
    )
