"""The p column of a table: every row against the baseline, seed by seed, adjusted for the number of rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from dymu.artifacts.manifest import ManifestArm
from dymu.reports.collect import Results
from dymu.reports.compare import Comparison, Estimate, paired, smallest_p
from dymu.reports.multiple import benjamini_hochberg
from dymu.reports.table import Cell, Column
from dymu.spec.ablation import BASELINE

# The exact test of 30 pairs takes milliseconds, that of 40 a second. Of more seeds the first are taken.
MOST_PAIRS = 30

Row = tuple[ManifestArm, float | None]
"""An arm at a resource preference."""

Values = Callable[[ManifestArm, float | None], Mapping[int, float]]
"""Seed to value of an arm at a resource preference."""


class Significance:
    """Adjusted p of the rows of one table.

    Args:
        results: What the table shows.
        title: What is compared, as printed.
        values: The numbers that are compared.
        rows: All rows of the table; those of the baseline are what others are compared with.
    """

    def __init__(self, results: Results, title: str, values: Values, rows: Sequence[Row]) -> None:
        self._title = title
        baseline = next((arm for arm in results.arms if arm.name == BASELINE), None)
        self._label = "" if baseline is None else baseline.label
        compared: dict[tuple[str, float | None], Comparison] = {}
        for arm, c in rows:
            if baseline is not None and arm.name != BASELINE:
                against = _counterpart(results, baseline, c)
                compared[arm.name, c] = paired_up_to(MOST_PAIRS, values(arm, c), values(baseline, against))
        tested = {row: found for row, found in compared.items() if found.p is not None and found.n > 1}
        adjusted = benjamini_hochberg([found.p for found in tested.values() if found.p is not None])
        self._found = {row: (p, found.n) for (row, found), p in zip(tested.items(), adjusted, strict=True)}

    def __bool__(self) -> bool:
        """Whether anything was compared at more than one seed."""
        return bool(self._found)

    def column(self, c: float | None = None) -> Column:
        """The column, of one resource preference or of rows that each have their own."""
        return Column(title="p", below="" if c is None else f"c = {c:g}")

    def cell(self, arm: ManifestArm, c: float | None) -> Cell:
        """The adjusted p of a row."""
        if (arm.name, c) not in self._found:
            return Cell(text="–")
        p, n = self._found[arm.name, c]
        return Cell(text=p_text(p), estimate=Estimate(mean=p, half_width=None, n=n))

    def notes(self) -> Iterator[str]:
        """What p is, below the table; nothing without a column of it."""
        if not self:
            return
        fewest, most = min(n for _, n in self._found.values()), max(n for _, n in self._found.values())
        seeds = f"{most} seeds" if fewest == most else f"{fewest} to {most} seeds"
        least = " and ".join(dict.fromkeys(f"{smallest_p(n):.2g}" for n in (fewest, most)))
        yield (
            f"p: {self._title} against {self._label} at the same c (a method without c: at the smallest), "
            "exact two-sided sign-flip test over pairs of the same seed, adjusted by Benjamini and Hochberg "
            f"for the {len(self._found)} tests of this table; unadjusted, {seeds} give no less than {least}."
        )


def paired_up_to(most: int, values: Mapping[int, float], against: Mapping[int, float]) -> Comparison:
    """Compare values seed by seed, at no more than so many seeds: the first that both have."""
    seeds = sorted(set(values) & set(against))[:most]
    return paired({seed: values[seed] for seed in seeds}, {seed: against[seed] for seed in seeds})


def p_text(p: float) -> str:
    """A p as printed."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _counterpart(results: Results, baseline: ManifestArm, c: float | None) -> float | None:
    """At which c the baseline is compared with a row at ``c``."""
    own = results.resource_preferences(baseline.name)
    return c if c in own or not own else own[0]
