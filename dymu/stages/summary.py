"""From measurements to a record: the named values of section 4.1 and the points behind them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dymu.artifacts.record import Point, Record, Value
from dymu.artifacts.step import Step
from dymu.metrics.correlation import (
    ENTROPY_COST_CORRELATION,
    PREFERENCE_LOSS_CORRELATION,
    entropy,
    spearman,
)
from dymu.metrics.cost import (
    ACTIVE_MACS,
    ACTIVE_PARAMETER_FRACTION,
    ACTIVE_PARAMETERS,
    ANCHOR_PARAMETERS,
    CONTROL_PARAMETERS,
    DENSE_ACTIVE_PARAMETERS,
    DISTINCT_TREES,
    SKEWED_ACTIVE_PARAMETERS,
)
from dymu.metrics.hypervolume import (
    BEST_POINT_HYPERVOLUME,
    best_point_hypervolume,
    hypervolume,
    hypervolume_info,
)
from dymu.metrics.relative_drop import RELATIVE_DROP, relative_drop
from dymu.metrics.task_metrics import LOSS, metric_of
from dymu.metrics.uniformity import UNIFORMITY_FLOOR, floor_at, uniformity, uniformity_info
from dymu.stages.evaluation_preferences import cost_preferences, evaluation_preferences, pair_preferences
from dymu.stages.inputs import dataset_of
from dymu.stages.measure import Bench, Measurement
from dymu.stages.predictors import Predictor

# A preference is dense if no task has this share, and skewed if one task has at least that share.
DENSE_BELOW, SKEWED_FROM = 0.6, 0.8
# Losses below single-precision noise are not worth the room they take in a record.
_DIGITS = 7

Floats = NDArray[np.float64]


def summarise(step: Step, predictor: Predictor, bench: Bench) -> Record:
    """Measure a trained method by its protocol."""
    protocol = bench.protocol
    assert step.seed is not None, f"{step.address} has no seed"
    tasks = dataset_of(step).tasks
    preferences_SN = evaluation_preferences(protocol, num_tasks=len(tasks))
    values: dict[str, Value] = {
        "anchor_parameters": ANCHOR_PARAMETERS.value(predictor.anchor_parameters()),
        "control_parameters": CONTROL_PARAMETERS.value(predictor.control_parameters()),
        "uniformity_floor": UNIFORMITY_FLOOR.value(floor_at(preferences_SN)),
    }
    pairs_KN = pair_preferences(protocol, tasks=[task.name for task in tasks])
    if not predictor.follows_task:  # all its points are one
        pairs_KN = pairs_KN[:0]
    points = []
    resources = protocol.resource_preferences if predictor.follows_resource else (None,)
    reference = predictor.reference(bench)
    for number, resource in enumerate(resources):
        bench.context.spool.progress(number, len(resources))
        point = _point(predictor, resource, preferences_SN, pairs_KN, bench)
        suffix = "" if resource is None else f"/c={resource:g}"
        values |= {
            name + suffix: value for name, value in _values(step, predictor, point, protocol.reference_point)
        }
        values |= {name + suffix: value for name, value in _drop(step, point, reference)}
        points.append(point)
    bench.context.spool.progress(len(resources), len(resources))
    return Record(
        address=step.address,
        seed=step.seed,
        method=step.config.method,
        tasks=tuple(task.name for task in tasks),
        values=values,
        points=tuple(points),
        reference_point=protocol.reference_point,
        anchor_parameters=predictor.anchor_parameters(),
        data_digest=bench.examples.digest,
        config={below.address: below.form for below in step.closure()},
    )


def _point(
    predictor: Predictor, resource: float | None, preferences_SN: Floats, pairs_KN: Floats, bench: Bench
) -> Point:
    c = 0.0 if resource is None else resource
    measured = predictor.measure(preferences_SN, c, bench)
    cost = predictor.cost(preferences_SN, c)
    sample_SN = cost_preferences(bench.protocol, num_tasks=preferences_SN.shape[1])
    sample_cost = predictor.cost(sample_SN, c)
    # Apart from the others, so that these are the same bytes whether pairs are measured or not.
    of_pairs = _rounded(predictor.measure(pairs_KN, c, bench)) if len(pairs_KN) else []
    return Point(
        resource_preference=resource,
        preferences=preferences_SN.tolist(),
        losses=_rounded(measured),
        task_metrics={
            name: value.numpy().round(_DIGITS).tolist() for name, value in measured.metrics.items()
        },
        parents=predictor.trees(preferences_SN, c),
        parameters=cost.parameters_S.tolist(),
        macs=cost.macs_S.tolist(),
        cost_preferences=sample_SN.tolist(),
        cost_parameters=sample_cost.parameters_S.tolist(),
        cost_macs=sample_cost.macs_S.tolist(),
        pair_preferences=pairs_KN.tolist(),
        pair_losses=of_pairs,
    )


def _rounded(measured: Measurement) -> list[list[float]]:
    losses: list[list[float]] = measured.losses_SN.numpy().round(_DIGITS).tolist()
    return losses


def _values(
    step: Step, predictor: Predictor, point: Point, reference_point: tuple[float, ...]
) -> Iterator[tuple[str, Value]]:
    losses_SN, preferences_SN = np.array(point.losses), np.array(point.preferences)
    yield "hypervolume", hypervolume_info(reference_point).value(hypervolume(losses_SN, reference_point))
    yield (
        "best_point_hypervolume",
        BEST_POINT_HYPERVOLUME.value(best_point_hypervolume(losses_SN, reference_point)),
    )
    num_tasks = preferences_SN.shape[1]
    yield "uniformity", uniformity_info(num_tasks).value(float(uniformity(losses_SN, preferences_SN).mean()))
    yield from _cost_values(predictor, point)
    for number, task in enumerate(dataset_of(step).tasks):
        info = metric_of(task.kind)
        yield f"loss/{task.name}", LOSS.value(losses_SN[:, number].mean())
        metric = np.array(point.task_metrics[f"{task.name}/{info.name}"])
        yield f"task/{task.name}/{info.name}", info.value(metric.mean())
        correlation = spearman(preferences_SN[:, number], losses_SN[:, number])
        if correlation is not None:
            name = f"preference_loss_correlation/{task.name}"
            yield name, PREFERENCE_LOSS_CORRELATION.value(correlation)


def _drop(step: Step, point: Point, reference: Measurement | None) -> Iterator[tuple[str, Value]]:
    """Delta_T; not where a single-task net reached nothing, since a change relative to 0 is undefined."""
    if reference is None:
        return
    infos = {
        f"{task.name}/{metric_of(task.kind).name}": metric_of(task.kind) for task in dataset_of(step).tasks
    }
    baselines = [float(reference.metrics[name].mean()) for name in infos]
    if 0 not in baselines:
        drop = relative_drop(
            [float(np.mean(point.task_metrics[name])) for name in infos],
            baselines_N=baselines,
            higher_is_better_N=[bool(info.higher_is_better) for info in infos.values()],
        )
        yield "relative_drop", RELATIVE_DROP.value(drop)


def _cost_values(predictor: Predictor, point: Point) -> Iterator[tuple[str, Value]]:
    parameters_S, largest_S = np.array(point.cost_parameters), np.array(point.cost_preferences).max(axis=1)
    yield "active_parameters", ACTIVE_PARAMETERS.value(parameters_S.mean())
    fraction = parameters_S.mean() / predictor.anchor_parameters()
    yield "active_parameter_fraction", ACTIVE_PARAMETER_FRACTION.value(fraction)
    yield "active_macs", ACTIVE_MACS.value(float(np.mean(point.cost_macs)))
    dense, skewed = parameters_S[largest_S < DENSE_BELOW], parameters_S[largest_S >= SKEWED_FROM]
    if len(dense):
        yield "dense_active_parameters", DENSE_ACTIVE_PARAMETERS.value(dense.mean())
    if len(skewed):
        yield "skewed_active_parameters", SKEWED_ACTIVE_PARAMETERS.value(skewed.mean())
    correlation = spearman(entropy(point.cost_preferences), parameters_S)
    if correlation is not None:
        yield "entropy_cost_correlation", ENTROPY_COST_CORRELATION.value(correlation)
    if point.parents:
        trees = {str(tree) for tree in point.parents}
        yield "distinct_trees", DISTINCT_TREES.value(len(trees))
