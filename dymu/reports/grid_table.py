"""Figure 6 as a table: one row for each number of static nets, then the controllers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from dymu.reports.compare import Estimate, estimate
from dymu.reports.footnotes import Notes
from dymu.reports.grid import Controller, Grid, GridComparison, models_to_reach
from dymu.reports.metric import HYPERVOLUME
from dymu.reports.table import Cell, Column, Table
from dymu.reports.training_time import Clock

_COLUMNS = (
    Column(title="", plain=True),
    Column(title="Models", plain=True),
    Column(title="HV", higher_is_better=True),
    Column(title="HV", below="5 %"),
    Column(title="HV", below="95 %"),
    Column(title="Subsets", plain=True),
    Column(title="Training", below="CPU s"),
    Column(title="Training", below="wall s"),
)
_UNKNOWN = "unknown"


def grid_table(found: GridComparison, *, provenance: bool = False) -> Table:
    """Hypervolume and training time of 1, 2, .. static nets and of each controller.

    Args:
        found: Grids and controllers.
        provenance: Whether to list the address behind each record.
    """
    notes = Notes(found.results, parameters=False)
    measure = next((each for each in found.controllers if each.seconds), None)
    columns = list(_COLUMNS)
    if measure is not None:
        columns.append(Column(title="Training", below=f"x {measure.arm.label}"))
    rows = []
    for grid in found.grids:
        for models in range(1, grid.num_models + 1):
            rows.append([Cell(text=notes.label(grid.arm)), *_grid_cells(grid, models)])
            rows[-1] += _ratio(grid.time(models, found.clock), measure, found.clock)
    for each in found.controllers:
        rows.append([Cell(text=f"{notes.label(each.arm)}, c = {each.c:g}"), *_controller_cells(each)])
        rows[-1] += _ratio(each.time(found.clock), measure, found.clock)
    return Table(
        title=f"Figure 6. Static nets beside one controller ({found.results.manifest.study})",
        columns=tuple(columns),
        rows=tuple(tuple(row) for row in rows),
        footnotes=(*notes.lines(provenance), *_remarks(found)),
    )


def over_seeds(values: Mapping[int, float]) -> Estimate | None:
    """Mean and interval over seeds; ``None`` without any."""
    return estimate(list(values.values())) if values else None


def _remarks(found: GridComparison) -> Iterator[str]:
    for grid in found.grids:
        drawn = any(spread.drawn for spreads in grid.spreads.values() for spread in spreads)
        which = "subsets of that size, some drawn" if drawn else "all subsets of that size"
        yield f"{grid.arm.label}: HV is the mean over {which}; 5 % and 95 % are percentiles over them."
    kind = "CPU" if found.clock == "cpu_s" else "wall"
    yield (
        "Training: all attempts at the stages, one after another, without evaluation; those of a controller "
        f"are anchor, affinity, edge and weight. Ratios: {kind}-seconds."
    )
    for grid in found.grids:
        for controller in found.controllers:
            yield from _reached(grid, controller, found.clock)
    if found.untimed:
        yield f"Training time unknown, as there is no provenance of {', '.join(found.untimed)}."


def _reached(grid: Grid, controller: Controller, clock: Clock) -> Iterator[str]:
    volume = over_seeds(controller.volumes)
    if volume is None or not set(grid.spreads) & set(controller.volumes):
        return
    models = models_to_reach(grid, controller)
    goal = f"the HV of {controller.label} ({HYPERVOLUME.text(volume.mean)})"
    if models is None:
        yield f"{grid.arm.label}: all {grid.num_models} nets together do not reach {goal}."
        return
    (cell,) = _ratio(grid.time(models, clock), controller, clock) or (Cell(text=_UNKNOWN),)
    nets = "1 net reaches" if models == 1 else f"{models} nets reach"
    yield f"{grid.arm.label}: on average {nets} {goal}, after {cell.text} times its training."


def _grid_cells(grid: Grid, models: int) -> list[Cell]:
    spreads = {seed: found[models - 1] for seed, found in grid.spreads.items()}
    one = next(iter(spreads.values()))
    return [
        Cell(text=str(models)),
        _volume({seed: spread.mean for seed, spread in spreads.items()}),
        replace(_volume({seed: spread.low for seed, spread in spreads.items()}), spread=""),
        replace(_volume({seed: spread.high for seed, spread in spreads.items()}), spread=""),
        Cell(text=f"{one.subsets} drawn" if one.drawn else str(one.subsets)),
        _seconds(grid.time(models, "cpu_s")),
        _seconds(grid.time(models, "wall_s")),
    ]


def _controller_cells(controller: Controller) -> list[Cell]:
    return [
        Cell(text="1"),
        _volume(controller.volumes),
        Cell(),
        Cell(),
        Cell(),
        _seconds(controller.time("cpu_s")),
        _seconds(controller.time("wall_s")),
    ]


def _ratio(time: Mapping[int, float], to: Controller | None, clock: Clock) -> Sequence[Cell]:
    """Ratio of the mean training times, if there is a controller to measure by."""
    if to is None:
        return ()
    own, other = over_seeds(time), over_seeds(to.time(clock))
    if own is None or other is None or other.mean == 0:
        return (Cell(text=_UNKNOWN),)
    ratio = own.mean / other.mean
    return (Cell(text=f"{ratio:.2f}", estimate=Estimate(mean=ratio, half_width=None, n=own.n)),)


def _volume(values: Mapping[int, float]) -> Cell:
    return _cell(values, HYPERVOLUME.text)


def _seconds(values: Mapping[int, float]) -> Cell:
    return _cell(values, lambda number: f"{number:.0f}" if number >= 10 else f"{number:.2g}")


def _cell(values: Mapping[int, float], text: Callable[[float], str]) -> Cell:
    found = over_seeds(values)
    if found is None:
        return Cell(text=_UNKNOWN)
    spread = text(found.half_width) if found.half_width else ""
    return Cell(text=text(found.mean), spread=spread, estimate=found)
