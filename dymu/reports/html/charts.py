"""Interactive charts as data: series of points, and what may be switched on and off."""

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dymu.artifacts.store import Store
from dymu.reports.claims import metric_in_words
from dymu.reports.collect import EVALUATE, Results
from dymu.tracking.spool import METRICS
from dymu.tracking.tail import Tail

_TRAINED = {
    "anchor": "the anchor's single-task nets",
    "shared": "a net that all tasks share",
    "edge": "the edge hypernet, which predicts trees",
    "weight": "the weight hypernet, which adapts predicted nets",
    "phn": "the hypernet of all weights",
    "phn_bn": "the shared net and its normalisation",
    "retrain": "fixed trees from the start",
}
# Metrics that say most about training come first, the rest by name.
_FIRST = ("objective", "task_loss", "active_loss", "inactive_loss")
_NAMES = {
    "objective": "training objective (all loss terms)",
    "task_loss": "task loss, weighted by the preference",
    "active_loss": "L_active",
    "inactive_loss": "L_inactive",
}
_MOST_POINTS = 120
_DIGITS = 4


def charts_of(results: Results, store: Store) -> list[dict[str, Any]]:
    """All charts that records and logs have something for, as JSON values."""
    made = [_quality(results), _following(results), *_training(results, store)]
    return [chart for chart in made if chart["series"]]


def _quality(results: Results) -> dict[str, Any]:
    """Hypervolume against active parameters, a point per arm, seed and c."""
    series = []
    for group, arm in enumerate(results.arms):
        for seed, record in results.of(arm.name).items():
            suffixes = [""] + [f"/c={c:g}" for c in results.resource_preferences(arm.name)]
            for suffix in suffixes:
                cost = record.values.get(f"active_parameters{suffix}")
                volume = record.values.get(f"hypervolume{suffix}")
                if cost is not None and volume is not None:
                    label = f"seed {seed}" + suffix.replace("/c=", ", c = ")
                    series.append(_series(group, label, [(cost.value, volume.value)]))
    return {
        "id": "quality",
        "title": "Quality and size",
        "note": "Each mark is one seed at one resource preference. Up and to the left is better.",
        "x": "active parameters",
        "y": "hypervolume",
        "groups": [arm.label for arm in results.arms],
        "filters": [],
        "series": series,
    }


def _following(results: Results) -> dict[str, Any]:
    """Loss of a task against its share of the preference: whether a model follows (Figure 7)."""
    series = []
    resources: dict[str, str] = {}
    for group, arm in enumerate(results.arms):
        for seed, record in results.of(arm.name).items():
            for point in record.points:
                c = point.resource_preference
                keys = {} if c is None else {"c": f"{c:g}"}  # what has no c is shown beside every c
                resources |= {key: f"c = {key}" for key in keys.values()}
                for number, task in enumerate(record.tasks):
                    pairs = [
                        (r[number], loss[number])
                        for r, loss in zip(point.preferences, point.losses, strict=True)
                    ]
                    series.append(_series(group, f"seed {seed}", pairs, {"task": task, **keys}))
    return {
        "id": "following",
        "title": "Preference and loss",
        "note": "Each mark is one evaluated preference. A model that follows has less loss further right.",
        "x": "share of the task in the preference",
        "y": "scaled test loss",
        "groups": [arm.label for arm in results.arms],
        "filters": [
            _filter("task", "Task", {task: task for task in results.tasks}),
            *([_filter("c", "Resource preference", resources)] if resources else []),
        ],
        "series": series,
    }


def _training(results: Results, store: Store) -> list[dict[str, Any]]:
    """One chart per stage that logged something; steps that arms share are drawn once."""
    stages: dict[str, dict[str, tuple[int, list[str]]]] = {}
    for arm in results.arms:
        for seed, steps in arm.steps.items():
            for name, address in steps.items():
                users = stages.setdefault(name.partition("#")[0], {})
                users.setdefault(address, (int(seed), []))[1].append(arm.label)
    return [_training_chart(stage, users, store) for stage, users in stages.items() if stage != EVALUATE]


def _training_chart(stage: str, users: dict[str, tuple[int, list[str]]], store: Store) -> dict[str, Any]:
    groups: list[str] = []
    metrics: dict[str, str] = {}
    series = []
    for address, (seed, labels) in users.items():
        folder = store.path(address) if store.has(address) else store.look_work(address)
        lines = Tail(folder / METRICS).read()
        if len(lines) < 2:
            continue
        group = " = ".join(labels) if len(labels) < 4 else f"{len(labels)} arms"
        if group not in groups:
            groups.append(group)
        for metric in sorted({name for _, logged in lines for name in logged}):
            metrics[metric] = _NAMES.get(metric) or metric_in_words(metric)
            pairs = _thinned([(step, logged[metric]) for step, logged in lines if metric in logged])
            label = f"seed {seed}, {address}"
            line = _series(groups.index(group), label, pairs, {"metric": metric}, line=True)
            series.append({**line, "seed": seed})
    rank = {name: number for number, name in enumerate(_FIRST)}
    ordered = dict(sorted(metrics.items(), key=lambda item: (rank.get(item[0], len(rank)), item[0])))
    return {
        "id": f"training-{stage}",
        "title": f"Training {_TRAINED[stage]}" if stage in _TRAINED else f"Training: {stage}",
        "note": "One line for each seed; where there are several, the thick line is their mean.",
        "x": "step",
        "y": "value",
        "named": "metric",
        "groups": groups,
        "filters": [_filter("metric", "Metric", ordered)] if ordered else [],
        "series": series,
    }


def _thinned(pairs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most about 120 of the points, the last among them."""
    stride = max(1, math.ceil(len(pairs) / _MOST_POINTS))
    kept = list(pairs[::stride])
    return kept if not pairs or kept[-1] == pairs[-1] else [*kept, pairs[-1]]


def _series(
    group: int,
    label: str,
    pairs: Iterable[tuple[float, float]],
    keys: Mapping[str, str] = MappingProxyType({}),
    *,
    line: bool = False,
) -> dict[str, Any]:
    points = [_short(number) for pair in pairs if all(map(math.isfinite, pair)) for number in pair]
    return {"g": group, "label": label, "keys": dict(keys), "line": int(line), "p": points}


def _filter(key: str, label: str, options: dict[str, str]) -> dict[str, Any]:
    return {"key": key, "label": label, "options": [{"value": v, "label": t} for v, t in options.items()]}


def _short(value: float) -> float:
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short == int(short) else short
