"""Columns of hypervolume at other reference points, where the paper's own is doubtful."""

from collections.abc import Iterator, Mapping

from dymu.artifacts.manifest import ManifestArm
from dymu.reports.collect import Results
from dymu.reports.derived import OTHER_REFERENCES, OtherReference, other_hypervolumes
from dymu.reports.metric import HYPERVOLUME, Metric

# These hypervolumes need the points of all records, which take 6 ms each to parse; in twenty dimensions each
# hypervolume takes 20 ms and more.
_MOST_RECORDS, _MOST_OF_MANY_TASKS, _MANY_TASKS = 200, 30, 10


class OtherColumns:
    """Hypervolumes beside the paper's, where there is a reason.

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
        self._values: dict[tuple[str, str, float | None], Mapping[int, float]] = {}
        if self._doubtful and not self._left_out:
            for arm in results.arms:
                for found in other_hypervolumes(results, arm.name):
                    for c, values in found.values.items():
                        self._values[found.reference.name, arm.name, c] = values

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """One column each."""
        return () if self._left_out else tuple(_metric(reference) for reference in self._doubtful)

    def values(self, metric: Metric, arm: ManifestArm, c: float | None) -> Mapping[int, float] | None:
        """Seed to value of a cell; ``None`` where the metric is a value of the records themselves."""
        if metric not in self.metrics:
            return None
        return self._values.get((metric.name, arm.name, c), {})

    def notes(self) -> Iterator[str]:
        """Why these columns are there, or why they are not."""
        for reference in self._doubtful:
            note = f"{reference.title}: {reference.reason}."
            if self._left_out:
                note = note[:-1] + f"; not computed in a table of more than {self._most} records."
            yield note


def _metric(reference: OtherReference) -> Metric:
    return Metric(
        name=reference.name,
        title=reference.title,
        text=HYPERVOLUME.text,
        paper_text=HYPERVOLUME.paper_text,
        higher_is_better=HYPERVOLUME.higher_is_better,
    )
