"""Figure 18: task affinity of the anchor net, mean over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from dymu.artifacts.manifest import ManifestArm
from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.reports.collect import Results
from dymu.reports.figure_notes import LINE_IN, wrapped, write_notes
from dymu.reports.style import COLUMN_IN, MAP_COLOURS, SMALLEST, panels, shortened, task_text

Floats = NDArray[np.float64]

_STAGE, _FILE, _TENSOR = "affinity", "affinity.safetensors", "affinity"
_MAX_NUMBERED = 7  # tasks; cells of more are too small for numbers


@dataclass(frozen=True, kw_only=True)
class Affinities:
    """Affinity of the anchor nets of some arms.

    Attributes:
        labels: Of the arms that use them.
        by_seed: (S, N, N) affinity at each seed; row i says which tasks task i is like.
        seeds: The seeds.
    """

    labels: tuple[str, ...]
    by_seed: Floats
    seeds: tuple[int, ...]

    @property
    def mean(self) -> Floats:
        """(N, N) mean over seeds."""
        mean: Floats = self.by_seed.mean(axis=0)
        return mean

    @property
    def deviations(self) -> Floats:
        """(N, N) standard deviation over seeds; NaN for a single one."""
        if len(self.seeds) < 2:
            return np.full(self.by_seed.shape[1:], np.nan)
        deviation: Floats = self.by_seed.std(axis=0, ddof=1)
        return deviation


def affinities_of(results: Results, store: Store) -> list[Affinities]:
    """Published affinities; arms that share them stand together.

    Raises:
        ReportError: If none is published, or one cannot be read.
    """
    users: dict[tuple[tuple[int, str], ...], list[str]] = {}
    for arm in results.arms:
        there = _published(arm, store)
        if there:
            users.setdefault(there, []).append(arm.label)
    if not users:
        raise ReportError(
            f"the store has no task affinity of {results.manifest.name}; methods that predict trees measure "
            f"it: `dymu run {results.manifest.target}`, or `dymu run studies.digits:ours`."
        )
    return [
        Affinities(
            labels=tuple(labels),
            by_seed=np.stack([_read(store, address, len(results.tasks)) for _, address in steps]),
            seeds=tuple(seed for seed, _ in steps),
        )
        for steps, labels in users.items()
    ]


def has_affinities(results: Results, store: Store) -> bool:
    """Whether some arm's affinity is published; a stage of that name may publish something else."""
    return any(_published(arm, store) for arm in results.arms)


def affinity_figure(found: Sequence[Affinities], tasks: Sequence[str]) -> Figure:
    """A matrix for each group of arms; few tasks have a number in each cell, and its deviation over seeds."""
    numbered = len(tasks) <= _MAX_NUMBERED
    num_arms = sum(len(each.labels) for each in found)
    notes = []
    for each in found:
        seeds = ("mean of seeds " if len(each.seeds) > 1 else "seed ") + ", ".join(map(str, each.seeds))
        spread = "; small: standard deviation" if numbered and len(each.seeds) > 1 else ""
        notes.append(f"{_arms(each, num_arms)}: {seeds}{spread}")
    notes = wrapped(notes, COLUMN_IN)
    height = 2.55 * len(found) + LINE_IN * len(notes) + 0.1
    figure = Figure(figsize=(COLUMN_IN, height if numbered else height + 0.3), layout="constrained")
    scale = Normalize(0.0, 1.0)
    axes = [row[0] for row in panels(figure, len(found), 1)]
    for axis, each in zip(axes, found, strict=True):
        axis.imshow(each.mean, cmap=MAP_COLOURS, norm=scale)
        _name_tasks(axis, tasks)
        if numbered:
            _write_numbers(axis, each, scale)
        if len(found) > 1:
            axis.set_title(shortened(_arms(each, num_arms), 40), loc="left")
    # Long names of tasks stand left of the matrix: then the bar has its place below.
    place: dict[str, Any] = {"shrink": 0.8 / len(found), "aspect": 22}
    if not numbered:
        place = {"location": "bottom", "shrink": 0.8, "aspect": 26, "pad": 0.02}
    bar = figure.colorbar(ScalarMappable(scale, MAP_COLOURS), ax=axes, **place)
    bar.set_label("affinity")
    bar.outline.set_linewidth(0.5)
    write_notes(figure, notes)
    return figure


def _arms(found: Affinities, num_arms: int) -> str:
    if 1 < len(found.labels) == num_arms:
        return f"All {num_arms} arms" if num_arms > 2 else "Both arms"
    return (
        found.labels[0]
        if len(found.labels) == 1
        else f"{len(found.labels)} arms, {found.labels[0]} among them"
    )


def _name_tasks(axis: Any, tasks: Sequence[str]) -> None:
    # One pass of the layout leaves longer names with a number a little outside.
    names = [task_text(task, 14 if len(tasks) > _MAX_NUMBERED else 18) for task in tasks]
    if len(tasks) > _MAX_NUMBERED:  # columns are numbered as the rows are
        axis.set_xticks(
            range(len(tasks)), [str(i + 1) for i in range(len(tasks))], rotation=90, fontsize=SMALLEST
        )
        axis.set_yticks(range(len(tasks)), [f"{n}  {i + 1}" for i, n in enumerate(names)], fontsize=SMALLEST)
    else:
        turned = len(tasks) > 4 or any(len(name) > 12 for name in names)
        axis.set_xticks(range(len(tasks)), names, rotation=90 if turned else 0)
        axis.set_yticks(range(len(tasks)), names)
    axis.tick_params(length=0)
    for side in axis.spines.values():
        side.set_visible(False)


def _write_numbers(axis: Any, found: Affinities, scale: Normalize) -> None:
    deviations = found.deviations
    for (i, j), value in np.ndenumerate(found.mean):
        colour = "white" if scale(value) < 0.6 else "black"
        deviation = deviations[i, j]
        text = {"ha": "center", "va": "center", "color": colour}
        spread = deviation > 0  # neither for a single seed nor for a task and itself
        axis.text(j, i - (0.1 if spread else 0.0), f"{value:.2f}", fontsize=7, **text)
        if spread:
            axis.text(j, i + 0.17, f"± {deviation:.2f}", fontsize=SMALLEST, **text)


def _published(arm: ManifestArm, store: Store) -> tuple[tuple[int, str], ...]:
    """Seeds and addresses of the affinities of an arm."""
    steps = {int(seed): steps[_STAGE] for seed, steps in arm.steps.items() if _STAGE in steps}
    return tuple(
        (seed, address)
        for seed, address in sorted(steps.items())
        if store.has(address) and _FILE in store.done(address)["files"]
    )


def _read(store: Store, address: str, num_tasks: int) -> Floats:
    try:
        matrix: Floats = load(store.read(address, _FILE))[_TENSOR].astype(np.float64)
    except (SafetensorError, KeyError) as error:
        raise ReportError(
            f"{address}/{_FILE} holds no readable tensor {_TENSOR!r} ({error}). Run `dymu cache verify`."
        ) from error
    if matrix.shape != (num_tasks, num_tasks):
        raise ReportError(
            f"{address}/{_FILE} is {matrix.shape}, expected {num_tasks} tasks in rows and columns. Run "
            "`dymu cache verify`."
        )
    return matrix
