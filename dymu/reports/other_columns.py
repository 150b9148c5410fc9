"""Columns beside the paper's: hypervolume where its reference point is doubtful, a mean of many tasks."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dymu.artifacts.manifest import ManifestArm
from dymu.reports.cells import cell_of
from dymu.reports.collect import Results
from dymu.reports.derived import (
    OTHER_REFERENCES,
    OtherReference,
    average_over_tasks,
    other_hypervolumes,
    shared_metric,
    task_scores,
)
from dymu.reports.intervals import LEAST_SEEDS, interquartile_mean
from dymu.reports.metric import HYPERVOLUME, Metric, hundredths
from dymu.reports.table import Cell

# These hypervolumes need the points of all records, which take 6 ms each to parse; in twenty dimensions each
# hypervolume takes 20 ms and more.
_MOST_RECORDS, _MOST_OF_MANY_TASKS, _MANY_TASKS = 200, 30, 10


# A quarter of fewer tasks is none, so that their interquartile mean is their mean.
_FEWEST_TASKS = 4


class OtherColumns:
    """Columns beside the paper's, where there is a reason.

    Args:
        results: What a table shows.
    """

    def __init__(self, results: Results) -> None:
        records = results.records.values()
        self._doubtful = tuple(
            reference
            for reference in OTHER_REFERENCES
            if any(reference.doubtful(record) for record in records)
        )
        most = _MOST_OF_MANY_TASKS if len(results.tasks) >= _MANY_TASKS else _MOST_RECORDS
        self._left_out = len(records) > most
        self._most = most
        self._results = results
        self._values: dict[tuple[str, str, float | None], Mapping[int, float]] = {}
        if self._doubtful and not self._left_out:
            for arm in results.arms:
                for found in other_hypervolumes(results, arm.name):
                    for c, values in found.values.items():
                        self._values[found.reference.name, arm.name, c] = values
        self._average = _average(results)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """One column each."""
        volumes = () if self._left_out else tuple(_metric(reference) for reference in self._doubtful)
        return volumes if self._average is None else (*volumes, self._average)

    def cell(self, metric: Metric, arm: ManifestArm, c: float | None) -> Cell:
        """The cell of an arm, whether the metric is one of these or a value of the records themselves."""
        if metric not in self.metrics:
            return cell_of(self._results, arm, metric, c)
        if metric is not self._average:
            return cell_of(self._results, arm, metric, c, self._values.get((metric.name, arm.name, c), {}))
        scores = task_scores(self._results, arm.name, c)
        means = {seed: interquartile_mean(row) for seed, row in scores.items()}
        found = average_over_tasks(self._results, arm.name, c)
        interval = None if found is None or found.interval is None else found.interval.scaled(metric.scale)
        cell = cell_of(self._results, arm, metric, c, means)
        return cell if interval is None else replace(cell, detail=f"bootstrap {interval}")

    def notes(self) -> Iterator[str]:
        """Why these columns are there, or why they are not."""
        for reference in self._doubtful:
            note = f"{reference.title}: {reference.reason}."
            if self._left_out:
                note = note[:-1] + f"; not computed in a table of more than {self._most} records."
            yield note
        if self._average is not None:
            yield (
                f"{self._average.title}: interquartile mean over the {len(self._results.tasks)} tasks; "
                f"bootstrap intervals, shown from {LEAST_SEEDS} seeds on, draw seeds."
            )


def _average(results: Results) -> Metric | None:
    """The interquartile mean over tasks, where there are enough that share a metric."""
    shared = shared_metric(results)
    if shared is None or len(results.tasks) < _FEWEST_TASKS:
        return None
    infos = (info for name, info in results.infos.items() if name.startswith("task/"))
    info = next(infos)
    share = info.lower == 0 and info.upper == 1
    return Metric(
        name="task_interquartile_mean",
        title=f"{shared.replace('_', ' ')} IQM" + (" %" if share else ""),
        text=hundredths,
        paper_text=hundredths,
        scale=100.0 if share else 1.0,
        higher_is_better=info.higher_is_better,
    )


def _metric(reference: OtherReference) -> Metric:
    return Metric(
        name=reference.name,
        title=reference.title,
        text=HYPERVOLUME.text,
        paper_text=HYPERVOLUME.paper_text,
        higher_is_better=HYPERVOLUME.higher_is_better,
    )
