"""A sweep: the arms of a question that differ in one number of the configuration. Figure 8 sweeps tau."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dymu.artifacts.manifest import ManifestArm
from dymu.artifacts.record import Record
from dymu.errors import ReportError
from dymu.reports.collect import Results


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Arms by the number in which they differ.

    Attributes:
        paths: Dotted paths of the entries that are changed, all to the same number.
        settings: Arm to number, by ascending number.
        left_out: Arms whose number is not known, because no record of them is there.
    """

    paths: tuple[str, ...]
    settings: Mapping[str, float]
    left_out: tuple[str, ...]

    @property
    def name(self) -> str:
        """Last part of the path, in words."""
        return self.paths[0].rpartition(".")[2].replace("_", " ")


@dataclass(frozen=True, kw_only=True)
class Series:
    """One value over a sweep.

    Attributes:
        c: Resource preference; ``None`` for a method without.
        settings: Numbers at which the value was measured, ascending.
        by_seed: At each of them seed to value.
    """

    c: float | None
    settings: tuple[float, ...]
    by_seed: tuple[Mapping[int, float], ...]


def has_sweep(results: Results) -> bool:
    """Whether all arms differ in one number only."""
    return _changed(results) is not None


def sweep_of(results: Results) -> Sweep:
    """What a question sweeps.

    The baseline's number is read from the configuration in its records.

    Raises:
        ReportError: If the arms differ in more than one number, or nothing was measured.
    """
    changed = _changed(results)
    if changed is None:
        raise ReportError(
            f"the arms of {results.manifest.name} do not differ in one number alone, so there is nothing to "
            "sweep. A sweep is for instance `dymu run ablations.active_threshold`."
        )
    paths, settings = changed
    for arm in results.arms:
        if not arm.changes:
            found = next((_setting(record, paths[0]) for record in results.of(arm.name).values()), None)
            if found is not None:
                settings[arm.name] = found
    unknown = [arm.name for arm in results.arms if arm.name not in settings]
    return Sweep(
        paths=paths,
        settings=dict(sorted(settings.items(), key=lambda item: item[1])),
        left_out=tuple(unknown),
    )


def series_of(results: Results, sweep: Sweep, name: str) -> list[Series]:
    """A record value over a sweep, for each resource preference at which it was measured.

    Args:
        results: The records.
        sweep: What is swept.
        name: Of the value, without the resource preference.
    """
    resources = {c for arm in sweep.settings for c in (*results.resource_preferences(arm), None)}
    series = []
    for c in sorted(resources, key=lambda c: -1.0 if c is None else c):
        full = name if c is None else f"{name}/c={c:g}"
        measured = {
            setting: values
            for arm, setting in sweep.settings.items()
            if (values := results.values(arm, full))
        }
        if measured:
            series.append(Series(c=c, settings=tuple(measured), by_seed=tuple(measured.values())))
    return series


def _changed(results: Results) -> tuple[tuple[str, ...], dict[str, float]] | None:
    """Changed paths and the number of each changed arm; ``None`` if this is no sweep."""
    arms = [arm for arm in results.arms if arm.changes]
    numbers = {arm.name: _number(arm) for arm in arms}
    paths = {tuple(arm.changes) for arm in arms}
    if len(paths) != 1 or len(arms) == 0 or len(results.arms) - len(arms) > 1:
        return None
    found = {name: number for name, number in numbers.items() if number is not None}
    return (next(iter(paths)), found) if len(found) == len(arms) else None


def _number(arm: ManifestArm) -> float | None:
    values = list(arm.changes.values())
    same = all(value == values[0] for value in values)
    numeric = isinstance(values[0], int | float) and not isinstance(values[0], bool)
    return float(values[0]) if same and numeric else None


def _setting(record: Record, path: str) -> float | None:
    """The number at a path of a study (``method.edge.active_threshold``) in a record's configuration."""
    *_, owner, name = ["", *path.split(".")]
    for form in record.config.values():
        if owner in {"", form.get("stage")}:
            for value in _entries(form.get("config"), name):
                return value
    return next((v for form in record.config.values() for v in _entries(form.get("config"), name)), None)


def _entries(form: Any, name: str) -> Iterator[float]:
    if isinstance(form, Mapping):
        value = form.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield float(value)
        for below in form.values():
            yield from _entries(below, name)
