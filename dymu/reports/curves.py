"""Training curves: what each stage logged, one figure per stage, one line per arm.

Thin lines are seeds and, of a stage that an arm has several times (the nets of a static grid), each of them;
of more than a few, a band reaches from the lowest to the highest. What is logged for each of many tasks is
drawn as its mean over tasks.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.reports.collect import EVALUATE, Results
from dymu.reports.style import PAGE_IN, line_of, panels, shortened, task_text
from dymu.tracking.spool import METRICS
from dymu.tracking.tail import Line, Tail

_COLUMNS = 3
_ROW_IN = 1.55
_LOGARITHMIC = ("temperature", "learning_rate")
_DECADES = 200  # highest by lowest, from which on ticks are whole decades
_CONSTANT = 1 + 1e-9  # highest by lowest
_MAX_THIN = 6  # lines of one arm that an eye can follow
_MAX_TASKS = 5  # of more, each task has no panel of its own


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What one step logged.

    Attributes:
        arms: Arms that use the step.
        seed: Study seed.
        lines: Steps with their metrics.
    """

    arms: tuple[str, ...]
    seed: int
    lines: Sequence[Line]


def curves(results: Results, store: Store) -> dict[str, Figure]:
    """A figure for each stage that logged something over steps, by stage.

    A step that several arms share is drawn once.

    Raises:
        ReportError: If no stage logged anything.
    """
    found = {stage: _curves_of(results, store, stage) for stage in _stages(results)}
    drawn = {
        stage: _draw(results, lines) for stage, lines in found.items() if metrics_of(lines, results.tasks)
    }
    if not drawn:
        raise ReportError(
            f"no step of {results.manifest.name} has logged metrics; start it with "
            f"`dymu run {results.manifest.target}`."
        )
    return drawn


def steps_of(results: Results, store: Store) -> Iterator[tuple[str, Curve]]:
    """What each step logged, with its stage."""
    for stage in _stages(results):
        yield from ((stage, curve) for curve in _curves_of(results, store, stage))


def logged(results: Results, store: Store) -> dict[str, int]:
    """Address of each step to the bytes that it has logged: tells whether curves have changed."""
    addresses = {
        address for arm in results.arms for steps in arm.steps.values() for address in steps.values()
    }
    files = {address: _folder(store, address) / METRICS for address in sorted(addresses)}
    return {address: file.stat().st_size for address, file in files.items() if file.exists()}


def _stages(results: Results) -> list[str]:
    stages = (_stage(name) for arm in results.arms for steps in arm.steps.values() for name in steps)
    return [stage for stage in dict.fromkeys(stages) if stage != EVALUATE]


def _stage(name: str) -> str:
    """The stage of a step in a manifest: ``shared#3`` is the third step of the stage ``shared``."""
    return name.partition("#")[0]


def _curves_of(results: Results, store: Store, stage: str) -> list[Curve]:
    users: dict[str, tuple[int, list[str]]] = {}
    for arm in results.arms:
        for seed, steps in arm.steps.items():
            for address in (address for name, address in steps.items() if _stage(name) == stage):
                users.setdefault(address, (int(seed), []))[1].append(arm.name)
    read = {address: _read(store, address) for address in users}
    return [
        Curve(arms=tuple(arms), seed=seed, lines=read[address])
        for address, (seed, arms) in users.items()
        if len(read[address]) > 1
    ]


def _read(store: Store, address: str) -> list[Line]:
    return Tail(_folder(store, address) / METRICS).read()


def _folder(store: Store, address: str) -> Path:
    return store.path(address) if store.has(address) else store.look_work(address)


def _draw(results: Results, found: Sequence[Curve]) -> Figure:
    if len(results.tasks) > _MAX_TASKS:
        found = [replace(curve, lines=_over_tasks(curve.lines, results.tasks)) for curve in found]
    metrics = metrics_of(found, results.tasks)
    rows = -(-len(metrics) // _COLUMNS)
    figure = Figure(figsize=(PAGE_IN, _ROW_IN * rows + 0.45), layout="constrained")
    axes = [axis for row in panels(figure, rows, _COLUMNS) for axis in row]
    groups = list(dict.fromkeys(curve.arms for curve in found))
    for axis, metric in zip(axes, metrics, strict=False):
        for index, arms in enumerate(groups):
            _draw_group(axis, [curve.lines for curve in found if curve.arms == arms], metric, index)
        axis.set_title(task_text(metric.replace("/*", ", mean over tasks"), 40), loc="left")
        axis.margins(x=0.02)
        axis.locator_params(nbins=4)
        if metric in _LOGARITHMIC:
            _make_logarithmic(axis)
    for axis in axes[len(metrics) :]:
        axis.set_axis_off()
    for axis in axes[max(0, len(metrics) - _COLUMNS) : len(metrics)]:
        axis.set_xlabel("step")
    handles = [Line2D([], [], **line_of(index)) for index in range(len(groups))]
    labels = [shortened(_name(results, arms), 48) for arms in groups]
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(groups)))
    return figure


def _draw_group(axis: Any, seeds: Sequence[Sequence[Line]], metric: str, index: int) -> None:
    series = [
        ([step for step, logged in lines if metric in logged], [m[metric] for _, m in lines if metric in m])
        for lines in seeds
    ]
    series = [(steps, values) for steps, values in series if steps]
    common = sorted(set.intersection(*(set(steps) for steps, _ in series))) if series else []
    rows = [dict(zip(steps, values, strict=True)) for steps, values in series]
    value_RS = np.array([[row[step] for step in common] for row in rows])
    if len(series) > _MAX_THIN and common:
        style = {"color": line_of(index)["color"], "alpha": 0.18, "linewidth": 0}
        axis.fill_between(common, value_RS.min(axis=0), value_RS.max(axis=0), **style)
    elif len(series) > 1:
        # One artist for all: a figure of many seeds has a thousand of them.
        thin = LineCollection(
            [np.column_stack(one) for one in series],
            colors=line_of(index)["color"],
            linestyles=[line_of(index)["linestyle"]],
            linewidths=0.4,
            alpha=0.45,
        )
        axis.add_collection(thin)
        axis.autoscale_view()
    if common:
        axis.plot(common, value_RS.mean(axis=0), **line_of(index))


def _over_tasks(lines: Sequence[Line], tasks: Sequence[str]) -> list[Line]:
    """Lines with one value in place of those of all tasks: ``loss/*`` is the mean of ``loss/TASK``."""
    made = []
    for step, logged in lines:
        families: dict[str, list[float]] = {}
        for name, value in logged.items():
            family, _, task = name.rpartition("/")
            families.setdefault(f"{family}/*" if task in tasks else name, []).append(value)
        made.append((step, {name: float(np.mean(values)) for name, values in families.items()}))
    return made


def _make_logarithmic(axis: Any) -> None:
    low, high = axis.dataLim.intervaly
    if 0 < high <= _CONSTANT * low:  # perhaps unlike by rounding, which no axis can span
        axis.set_ylim(low / 2, 2 * high)
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < _DECADES * low else (1.0,)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_locator(NullLocator())


def metrics_of(found: Sequence[Curve], tasks: Sequence[str]) -> list[str]:
    """What some step logged more than once, in the order of panels; a single value is no curve."""
    several = set()
    for curve in found:
        counts = Counter(name for _, logged in curve.lines for name in logged)
        several |= {name for name, count in counts.items() if count > 1}
    return sorted(several, key=lambda name: _rank(name, tasks))


def _rank(name: str, tasks: Sequence[str]) -> tuple[int, int, str]:
    """The objective first, then its parts, then what is set and not learnt."""
    task = name.rpartition("/")[2]
    number = tasks.index(task) if task in tasks else len(tasks)
    if name == "objective":
        return 0, number, name
    if name.startswith("loss/"):
        return 1, number, name
    return (3 if name in _LOGARITHMIC else 2), number, name


def _name(results: Results, arms: Sequence[str]) -> str:
    if len(arms) > 1 and len(arms) == len(results.arms):
        return "all arms"
    return " = ".join(results.arm(name).label for name in arms)
