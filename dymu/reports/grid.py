"""What Figure 6 shows: hypervolume of so many static nets, their training time, and the controllers beside.

All numbers come from records and from the provenance beside them. The hypervolume of all nets of a grid is
the one in its record; that of fewer nets is taken over subsets of the same points.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dymu.artifacts.manifest import ManifestArm
from dymu.artifacts.record import Record
from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.metrics.hypervolume import MAX_SUBSET_POINTS, hypervolume, subset_hypervolumes
from dymu.reports.collect import EVALUATE, Results
from dymu.reports.training_time import Clock, Seconds, TrainingTimes

CONTROLLABLE, STATIC_GRID = "controllable", "static_grid"
PERCENTILES = (5.0, 95.0)
# Of more nets than can be enumerated, so many orders are drawn, the same at every seed, and of each its first
# models are taken: a curve over nested subsets rises, whatever was drawn.
SAMPLED_SUBSETS = 400

_SHARED, _EDGE = "shared", "edge"
_VOLUME = "hypervolume"
# A record's hypervolume was computed from the very losses that it holds.
_SAME = 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Hypervolume of subsets of one size.

    Attributes:
        mean: Over the subsets.
        low: Their 5th percentile.
        high: Their 95th percentile.
        subsets: How many were taken.
        drawn: Whether they are a sample; otherwise they are all that there are.
    """

    mean: float
    low: float
    high: float
    subsets: int
    drawn: bool


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Static nets of one arm.

    Attributes:
        arm: The arm.
        spreads: Seed to the spreads of 1, 2, .. all nets.
        seconds: Seed to the training time of each net; without seeds whose provenance is incomplete.
    """

    arm: ManifestArm
    spreads: Mapping[int, Sequence[Spread]]
    seconds: Mapping[int, Sequence[Seconds]]

    @property
    def num_models(self) -> int:
        """Nets of the arm."""
        return min(len(found) for found in self.spreads.values())

    def time(self, models: int, clock: Clock) -> dict[int, float]:
        """Seed to the mean training time of so many nets."""
        return {
            seed: models * sum(each.by(clock) for each in found) / len(found)
            for seed, found in self.seconds.items()
        }


@dataclass(frozen=True, kw_only=True)
class Controller:
    """One arm of the paper's method at one resource preference.

    Attributes:
        arm: The arm.
        c: Resource preference.
        volumes: Seed to hypervolume.
        seconds: Seed to the training time of all stages; without seeds whose provenance is incomplete.
    """

    arm: ManifestArm
    c: float
    volumes: Mapping[int, float]
    seconds: Mapping[int, Seconds]

    @property
    def label(self) -> str:
        """As printed."""
        return f"{self.arm.label}, c = {self.c:g}"

    def time(self, clock: Clock) -> dict[int, float]:
        """Seed to training time."""
        return {seed: found.by(clock) for seed, found in self.seconds.items()}


@dataclass(frozen=True, kw_only=True)
class GridComparison:
    """Grids and controllers of one manifest.

    Attributes:
        results: What was found of these arms, and what is missing of them.
        grids: In order of the arms.
        controllers: In order of the arms, then of the resource preference.
        untimed: Addresses of steps whose training time is not known.
    """

    results: Results
    grids: tuple[Grid, ...]
    controllers: tuple[Controller, ...]
    untimed: tuple[str, ...]

    @property
    def clock(self) -> Clock:
        """CPU-seconds if nothing ran on an accelerator: they do not depend on what else a machine does."""
        times = [each for grid in self.grids for found in grid.seconds.values() for each in found]
        times += [each for controller in self.controllers for each in controller.seconds.values()]
        return "cpu_s" if all(each.on_cpu for each in times) else "wall_s"


def compare_with_grid(results: Results, store: Store) -> GridComparison:
    """Gather the grids and controllers of a manifest.

    Raises:
        ReportError: If no grid has a record, or if a record of a grid contradicts itself.
    """
    methods = {arm.name: _method(results, arm) for arm in results.arms}
    own = only(results, [arm for arm in results.arms if methods[arm.name] in (CONTROLLABLE, STATIC_GRID)])
    times = TrainingTimes(store)
    grids = tuple(
        _grid(own, arm, times) for arm in own.arms if methods[arm.name] == STATIC_GRID and own.of(arm.name)
    )
    if not grids:
        raise ReportError(
            f"no record of {results.manifest.name} is of a grid of static nets; make one with `dymu run "
            f"{results.manifest.target}`, or with `dymu run ablations.baselines --arm baseline --arm "
            "static-grid` and its controller beside it."
        )
    controllers = tuple(
        controller
        for arm in own.arms
        if methods[arm.name] == CONTROLLABLE
        for controller in _controllers(own, arm, times)
    )
    return GridComparison(results=own, grids=grids, controllers=controllers, untimed=times.unknown)


def models_to_reach(grid: Grid, controller: Controller) -> int | None:
    """The least number of static nets whose mean hypervolume is at least a controller's, at common seeds.

    ``None`` if all nets together stay below it, or if there is no common seed.
    """
    seeds = sorted(set(grid.spreads) & set(controller.volumes))
    wanted = sum(controller.volumes[seed] for seed in seeds)
    return next(
        (
            models
            for models in range(1, grid.num_models + 1)
            if seeds and sum(grid.spreads[seed][models - 1].mean for seed in seeds) >= wanted
        ),
        None,
    )


def has_grid(results: Results) -> bool:
    """Whether there is something to compare."""
    return any(record.method == STATIC_GRID for record in results.records.values())


def spreads_of(points_KN: Floats, reference: Sequence[float]) -> list[Spread]:
    """Spreads of 1, 2, .. K models with these losses."""
    count = len(points_KN)
    if count > MAX_SUBSET_POINTS:
        return [_sampled(points_KN, reference, size) for size in range(1, count + 1)]
    volume_T = subset_hypervolumes(points_KN, reference)
    size_T = np.zeros(len(volume_T), dtype=np.int64)
    for point in range(count):
        size_T[1 << point : 2 << point] = size_T[: 1 << point] + 1
    return [_spread(volume_T[size_T == size], drawn=False) for size in range(1, count + 1)]


def _sampled(points_KN: Floats, reference: Sequence[float], size: int) -> Spread:
    count = len(points_KN)
    drawn = math.comb(count, size) > SAMPLED_SUBSETS
    if drawn:
        rng = np.random.default_rng(count)
        chosen = [rng.permutation(count)[:size] for _ in range(SAMPLED_SUBSETS)]
    else:
        chosen = [np.array(subset) for subset in combinations(range(count), size)]
    volumes = np.array([hypervolume(points_KN[subset], reference) for subset in chosen])
    return _spread(volumes, drawn=drawn)


def _spread(volumes: Floats, *, drawn: bool) -> Spread:
    low, high = np.percentile(volumes, PERCENTILES).tolist()
    return Spread(mean=float(volumes.mean()), low=low, high=high, subsets=len(volumes), drawn=drawn)


def _method(results: Results, arm: ManifestArm) -> str:
    """The method of an arm, by its records or, without any, by its stages; empty if neither tells."""
    for record in results.of(arm.name).values():
        return record.method
    stages = {stage.partition("#")[0] for steps in arm.steps.values() for stage in steps} - {EVALUATE}
    if stages == {_SHARED}:
        return STATIC_GRID
    return CONTROLLABLE if _EDGE in stages else ""


def only(results: Results, arms: Sequence[ManifestArm]) -> Results:
    """Results of some arms."""
    names = {arm.name for arm in arms}
    return replace(
        results,
        manifest=replace(results.manifest, arms=tuple(arms)),
        records={cell: record for cell, record in results.records.items() if cell[0] in names},
        missing=tuple(entry for entry in results.missing if entry.arm in names),
        excluded=(),
    )


def _grid(results: Results, arm: ManifestArm, times: TrainingTimes) -> Grid:
    spreads, seconds = {}, {}
    for seed, record in results.of(arm.name).items():
        nets = _nets(record)
        spreads[seed] = _grid_spreads(record, nets)
        found = [times.of(record, [address]) for address in nets]
        known = [time for time in found if time is not None]
        if len(known) == len(nets):
            seconds[seed] = known
    return Grid(arm=arm, spreads=spreads, seconds=seconds)


def _nets(record: Record) -> list[str]:
    """Addresses of the nets of a grid, in order."""
    inputs: Mapping[str, str] = record.config[record.address]["inputs"]
    return [inputs[role] for role in sorted(inputs, key=lambda role: int(role.rpartition("_")[2]))]


def _grid_spreads(record: Record, nets: Sequence[str]) -> list[Spread]:
    (point,) = record.points
    preferences_SN = np.array(point.preferences)
    rows = []
    for address in nets:
        given = record.config[address]["config"]["preference"]
        uniform = np.full(preferences_SN.shape[1], 1 / preferences_SN.shape[1])
        distance_S = np.abs(preferences_SN - (uniform if given is None else np.array(given))).max(axis=1)
        rows.append(int(distance_S.argmin()))
        if distance_S[rows[-1]] > _SAME:
            raise ReportError(
                f"{record.address}: {address} was trained for {given}, which is none of the record's "
                "preferences. Run the static grid again."
            )
    found = spreads_of(np.array(point.losses)[rows], record.reference_point)
    written = record.values[_VOLUME].value
    if abs(found[-1].mean - written) > _SAME * max(1.0, abs(written)):
        raise ReportError(
            f"{record.address} has hypervolume {written}, but its losses give {found[-1].mean}. Run "
            "`dymu cache verify`."
        )
    found[-1] = replace(found[-1], mean=written, low=written, high=written)
    return found


def _controllers(results: Results, arm: ManifestArm, times: TrainingTimes) -> Iterator[Controller]:
    records = results.of(arm.name)
    found = {
        seed: times.of(record, [address for address in record.config if address != record.address])
        for seed, record in records.items()
    }
    for c in results.resource_preferences(arm.name):
        yield Controller(
            arm=arm,
            c=c,
            volumes=results.values(arm.name, f"{_VOLUME}/c={c:g}"),
            seconds={seed: time for seed, time in found.items() if time is not None},
        )
