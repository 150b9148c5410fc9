"""The p column of a table: every row against the baseline, seed by seed, adjusted for the number of rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from dymu.artifacts.manifest import ManifestArm
from dymu.reports.collect import Results
from dymu.reports.compare import Comparison, Estimate, paired, smallest_p
from dymu.reports.effect import effect_size
from dymu.reports.intervals import bca
from dymu.reports.multiple import benjamini_hochberg
from dymu.reports.table import MISSING, NONE, Cell, Column, count, seed_list, signed
from dymu.spec.ablation import BASELINE

# The exact test of 30 pairs takes milliseconds, that of 40 a second. Of more seeds the first are taken.
MOST_PAIRS = 30
_DIFFERENCE, _P = "Diff.", "p"
_EFFECT_SIZE = "g: the same in standard deviations of the differences, corrected for few seeds (Hedges)"

Row = tuple[ManifestArm, float | None]
"""An arm at a resource preference."""

Values = Callable[[ManifestArm, float | None], Mapping[int, float]]
"""Seed to value of an arm at a resource preference."""


class Significance:
    """Differences of the rows of one table from its baseline, with adjusted p.

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
        self._some_seeds: dict[str, tuple[int, ...]] = {}
        for arm, c in rows:
            if baseline is not None and arm.name != BASELINE:
                own, against = values(arm, c), values(baseline, _counterpart(results, baseline, c))
                found = compared[arm.name, c] = paired_up_to(MOST_PAIRS, own, against)
                if own and against and found.n < len({*own, *against}):
                    self._some_seeds[arm.label] = found.seeds
        tested = {row: found for row, found in compared.items() if found.p is not None and found.n > 1}
        adjusted = benjamini_hochberg([found.p for found in tested.values() if found.p is not None])
        self._found = {row: (p, found) for (row, found), p in zip(tested.items(), adjusted, strict=True)}
        self._addresses = {
            (arm, c): tuple(
                results.of(name)[seed].address for name in (arm, BASELINE) for seed in found.seeds
            )
            for (arm, c), (_, found) in self._found.items()
        }

    def __bool__(self) -> bool:
        """Whether anything was compared at more than one seed."""
        return bool(self._found)

    def columns(self, resources: Sequence[float | None] = (None,)) -> list[Column]:
        """The difference, then p, each at every resource preference; none where nothing was compared."""
        titles = (_DIFFERENCE, _P) if self else ()
        belows = ["" if c is None else f"c = {c:g}" for c in resources]
        return [Column(title=title, below=below) for title in titles for below in belows]

    def cells(self, arm: ManifestArm, resources: Sequence[float | None]) -> list[Cell]:
        """The cells of a row below :meth:`columns`."""
        made = (self._difference, self._p) if self else ()
        return [make(arm, c) for make in made for c in resources]

    def _difference(self, arm: ManifestArm, c: float | None) -> Cell:
        if (arm.name, c) not in self._found:
            return Cell(text=NONE)
        _, found = self._found[arm.name, c]
        return replace(difference_cell(found), addresses=self._addresses[arm.name, c])

    def _p(self, arm: ManifestArm, c: float | None) -> Cell:
        if (arm.name, c) not in self._found:
            return Cell(text=NONE)
        p, found = self._found[arm.name, c]
        return Cell(
            text=p_text(p),
            estimate=Estimate(mean=p, half_width=None, n=found.n),
            addresses=self._addresses[arm.name, c],
        )

    def notes(self) -> Iterator[str]:
        """What these columns are, below the table; nothing without them."""
        if not self:
            return
        counts = [found.n for _, found in self._found.values()]
        fewest, most = min(counts), max(counts)
        seeds = f"{most} seeds" if fewest == most else f"{fewest} to {most} seeds"
        least = " and ".join(dict.fromkeys(f"{smallest_p(n):.2g}" for n in (fewest, most)))
        sized = any(effect_size(found.differences) is not None for _, found in self._found.values())
        yield (
            f"{_DIFFERENCE}: {self._title} less that of {self._label} at the same seed and c (a method "
            "without c: at the smallest), mean ± half of the 95 % t-interval"
            + (f"; {_EFFECT_SIZE}." if sized else ".")
        )
        yield (
            f"{_P}: exact two-sided sign-flip test of these differences, adjusted by Benjamini and Hochberg "
            f"for the {len(self._found)} tests of this table; unadjusted, {seeds} give no less than {least}."
        )
        if self._some_seeds:
            each = ", ".join(f"{label} ({seed_list(seeds)})" for label, seeds in self._some_seeds.items())
            yield (
                f"{_DIFFERENCE} and {_P} pair the seeds that a row and {self._label} have in common, the "
                f"first {MOST_PAIRS} at most, and need two. Paired at some seeds only: {each}."
            )


def paired_up_to(most: int, values: Mapping[int, float], against: Mapping[int, float]) -> Comparison:
    """Compare values seed by seed, at no more than so many seeds: the first that both have."""
    seeds = sorted(set(values) & set(against))[:most]
    return paired({seed: values[seed] for seed in seeds}, {seed: against[seed] for seed in seeds})


def difference_cell(found: Comparison) -> Cell:
    """Mean difference with its t-interval, effect size, and from enough seeds on the bootstrap interval."""
    if found.estimate is None:
        return Cell(text=MISSING)
    size, interval = effect_size(found.differences), bca(found.differences)
    details = ["" if size is None else f"g {size:+.2f}", "" if interval is None else f"BCa {interval}"]
    return Cell(
        text=signed(found.estimate.mean),
        spread=spread_text(found.estimate),
        detail=", ".join(filter(None, details)),
        estimate=found.estimate,
    )


def spread_text(found: Estimate) -> str:
    """Half of an interval as printed; empty where values differ by nothing but rounding."""
    half = found.half_width
    if half is None or found.exact:
        return ""
    return count(half) if half >= 99.5 else f"{half:.2g}"


def p_text(p: float) -> str:
    """A p as printed."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _counterpart(results: Results, baseline: ManifestArm, c: float | None) -> float | None:
    """At which c the baseline is compared with a row at ``c``."""
    own = results.resource_preferences(baseline.name)
    return c if c in own or not own else own[0]
