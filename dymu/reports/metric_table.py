"""Tables 5 and 7: what each task is judged by, and Delta_T against the single-task nets."""

from collections.abc import Mapping
from dataclasses import replace

from dymu.artifacts.manifest import ManifestArm
from dymu.artifacts.record import Record
from dymu.metrics.relative_drop import RELATIVE_DROP, relative_drop
from dymu.reports.cells import (
    SEEDS,
    cell_of,
    column_of,
    own_resources,
    resources_of,
    seeds_of,
    whole_table,
)
from dymu.reports.collect import Results
from dymu.reports.footnotes import Notes
from dymu.reports.metric import FRACTION, Metric, hundredths, thousandths
from dymu.reports.significance import Significance
from dymu.reports.table import Cell, Column, Table
from dymu.reports.tables import ablation_table, study_table

DROP = Metric(
    name=RELATIVE_DROP.name,
    title="Delta_T %",
    text=hundredths,
    paper_text=hundredths,
    higher_is_better=RELATIVE_DROP.higher_is_better,
)

_OF_METHODS = (1, 2, 3, 4)
_OF_METRICS = (5, 7)
_TASK = "task/"
_SINGLE_TASK = "single_task"
# Metrics that are printed in percent, and how the others are called.
_SHARES = {"mean_iou": "mIoU %", "max_jaccard": "Jaccard %", "accuracy": "acc. %"}
_NAMES = {"mean_angle_error": "error °", "depth_rmse": "RMSE", "edge_loss": "loss"}
_NOTE = (
    "Delta_T: mean relative change of the task metrics against the single-task nets of the same seed; "
    "positive is better."
)


def table_of(results: Results, number: int | None = None, *, provenance: bool = False) -> Table:
    """The table that answers a question: by the paper's number, else by what its records hold."""
    if number in _OF_METRICS or (number is None and DROP.name in results.infos):
        return metric_table(results, provenance=provenance)
    make = study_table if number in _OF_METHODS else ablation_table
    return make(results, provenance=provenance)


def metric_table(results: Results, *, provenance: bool = False) -> Table:
    """Tables 5 and 7: a row per arm and resource preference; task metrics, Delta_T and active parameters.

    Args:
        results: Records of one manifest, or of several studies of one dataset.
        provenance: Whether to list the addresses behind each cell.
    """
    metrics = _task_metrics(results)
    resources = resources_of(results)
    places = [(arm, c) for arm in results.arms for c in own_resources(results, arm)]
    found = {(arm.name, c): drops(results, arm, c) for arm, c in places}
    tested = Significance(results, "Delta_T", lambda arm, c: found.get((arm.name, c), {}), places)
    columns = [
        Column(title="", plain=True),
        *(column_of(results, metric, None, resources) for metric in metrics),
        Column(title=DROP.title, higher_is_better=DROP.higher_is_better),
        column_of(results, FRACTION, None, resources),
        SEEDS,
        *tested.columns(),
    ]
    notes = Notes(results, volumes=False)
    rows = [
        [
            Cell(text=notes.label(arm) + ("" if c is None else f", c = {c:g}")),
            *(cell_of(results, arm, metric, c) for metric in metrics),
            _drop_cell(results, arm, c, found[arm.name, c]),
            cell_of(results, arm, FRACTION, c),
            seeds_of(results, arm),
            *tested.cells(arm, [c]),
        ]
        for arm, c in places
    ]
    lines = notes.lines(provenance, [_NOTE, *tested.notes()])
    return whole_table(results, columns, rows, lines, provenance=provenance)


def drops(results: Results, arm: ManifestArm, c: float | None) -> dict[int, float]:
    """Seed to Delta_T of an arm in percent.

    A method that is judged by it has it in its records. For others it follows from the arm of single-task
    nets, if there is one, seed by seed; not at seeds where a single-task metric is 0.
    """
    stored = results.values(arm.name, DROP.key(c))
    records = results.of(arm.name)
    if stored or any(record.method == _SINGLE_TASK for record in records.values()):
        return stored
    against = {seed: _single_task(results, seed) for seed in records}
    found = {seed: _drop(records[seed], single, c) for seed, single in against.items() if single is not None}
    return {seed: drop for seed, drop in found.items() if drop is not None}


def _drop_cell(results: Results, arm: ManifestArm, c: float | None, values: Mapping[int, float]) -> Cell:
    """Delta_T with the records that it comes from: where it is no value of a record, two at each seed."""
    cell = cell_of(results, arm, DROP, c, values)
    if results.values(arm.name, DROP.key(c)):
        return cell
    singles = (_single_task(results, seed) for seed in values)
    return replace(cell, addresses=(*cell.addresses, *(single.address for single in singles if single)))


def _single_task(results: Results, seed: int) -> Record | None:
    records = (results.records.get((arm.name, seed)) for arm in results.arms)
    return next((record for record in records if record and record.method == _SINGLE_TASK), None)


def _drop(record: Record, single: Record, c: float | None) -> float | None:
    """Delta_T; ``None`` where it is not defined."""
    baselines = {name: value for name, value in single.values.items() if name.startswith(_TASK)}
    if not baselines or any(value.value == 0 for value in baselines.values()):
        return None
    suffix = "" if c is None else f"/c={c:g}"
    return relative_drop(
        [record.values[name + suffix].value for name in baselines],
        baselines_N=[value.value for value in baselines.values()],
        higher_is_better_N=[bool(value.higher_is_better) for value in baselines.values()],
    )


def _task_metrics(results: Results) -> list[Metric]:
    """Metrics of all tasks in their order, whether measured or printed by the paper."""
    names = [*results.infos, *(name for arm in results.arms for name in arm.paper)]
    bare = dict.fromkeys(name.partition("/c=")[0] for name in names if name.startswith(_TASK))
    return [_task_metric(name) for task in results.tasks for name in bare if name.split("/")[1] == task]


def _task_metric(name: str) -> Metric:
    _, task, metric = name.split("/")
    if metric in _SHARES:
        title = f"{task} {_SHARES[metric]}"
        return Metric(name=name, title=title, text=hundredths, paper_text=_percent, scale=100.0)
    text = thousandths if metric == "edge_loss" else hundredths
    return Metric(name=name, title=f"{task} {_NAMES.get(metric, metric)}", text=text, paper_text=text)


def _percent(share: float) -> str:
    return hundredths(100 * share)
