"""The last stage: measure a trained method on the test split and publish the record.

This is the only module that opens the test split. Every method is judged by the same protocol; what differs
is how a preference becomes a network, a :class:`~dymu.stages.predictors.Predictor`.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from dymu.artifacts.config import config
from dymu.artifacts.step import Step
from dymu.data.examples import Examples
from dymu.data.splits import Split
from dymu.errors import SpecError
from dymu.networks.controller import Controller
from dymu.spec.evaluation import EvaluationConfig
from dymu.stages.anchor import load_anchor
from dymu.stages.constant import load_constants
from dymu.stages.context import RunContext
from dymu.stages.edge import load_edge
from dymu.stages.inputs import dataset_of
from dymu.stages.measure import Bench
from dymu.stages.phn import load_phn
from dymu.stages.predictors import (
    ConstantPredictor,
    ControllablePredictor,
    PHNBNPredictor,
    PHNPredictor,
    Predictor,
    SingleTaskPredictor,
    StaticGridPredictor,
    StaticTreePredictor,
)
from dymu.stages.retrain import load_retrained
from dymu.stages.shared import load_phn_bn_hypernet, load_shared, trained_for
from dymu.stages.summary import summarise
from dymu.stages.weight import load_weight

STAGE = "evaluate"
REVISION = 1

MethodName = Literal["controllable", "single_task", "static_grid", "phn_bn", "static_tree", "phn", "constant"]


@config
class EvaluateConfig:
    """Configuration of the evaluation stage.

    Attributes:
        method: How preferences become networks.
        protocol: How they are judged.
    """

    method: MethodName
    protocol: EvaluationConfig


def controllable_evaluation(
    protocol: EvaluationConfig, *, anchor: Step, edge: Step, weight: Step | None
) -> Step:
    """Evaluation of the paper's method; without a weight stage the anchor's weights are used as they are."""
    inputs = {"anchor": anchor, "edge": edge}
    if weight is not None:
        inputs["weight"] = weight
    return _step("controllable", protocol, inputs, seed=edge.seed)


def single_task_evaluation(protocol: EvaluationConfig, *, anchor: Step) -> Step:
    """Evaluation of N single-task nets."""
    return _step("single_task", protocol, {"anchor": anchor}, seed=anchor.seed)


def static_grid_evaluation(protocol: EvaluationConfig, *, nets: Sequence[Step]) -> Step:
    """Evaluation of static nets, in the order of the evaluation preferences that they were trained for."""
    inputs = {f"net_{number:03d}": net for number, net in enumerate(nets)}
    return _step("static_grid", protocol, inputs, seed=nets[0].seed)


def phn_bn_evaluation(protocol: EvaluationConfig, *, phn_bn: Step) -> Step:
    """Evaluation of PHN-BN.

    Raises:
        SpecError: If running statistics are asked of a net that was trained without keeping any.
    """
    if protocol.statistics == "running" and phn_bn.config.convolutions == "joint":
        raise SpecError(
            "EvaluationConfig.statistics is 'running', but a PHN-BN trained jointly keeps no running "
            "statistics; use 'batch' or 'recalibrated'."
        )
    return _step("phn_bn", protocol, {"phn_bn": phn_bn}, seed=phn_bn.seed)


def phn_evaluation(protocol: EvaluationConfig, *, phn: Step) -> Step:
    """Evaluation of PHN.

    Raises:
        SpecError: If running statistics are asked for: a generated net has none.
    """
    if protocol.statistics == "running":
        raise SpecError(
            "EvaluationConfig.statistics is 'running', but the nets that PHN generates keep no running "
            "statistics; use 'batch' or 'recalibrated'."
        )
    return _step("phn", protocol, {"phn": phn}, seed=phn.seed)


def constant_evaluation(protocol: EvaluationConfig, *, constant: Step) -> Step:
    """Evaluation of the same answer for every image."""
    return _step("constant", protocol, {"constant": constant}, seed=constant.seed)


def static_tree_evaluation(protocol: EvaluationConfig, *, retrain: Step, anchor: Step) -> Step:
    """Evaluation of one tree trained by itself; the anchor's nets are what Delta_T compares with."""
    return _step("static_tree", protocol, {"retrain": retrain, "anchor": anchor}, seed=retrain.seed)


def run_evaluate(step: Step, context: RunContext) -> None:
    """Measure on the test split; publishes ``record.json``."""
    publish_record(step, context, dataset_of(step).load(Split.TEST, context.data))


def publish_record(step: Step, context: RunContext, examples: Examples) -> None:
    """Measure the method of an evaluation step on examples and publish ``record.json``."""
    settings: EvaluateConfig = step.config
    dataset = dataset_of(step)
    calibration: Examples = dataset.load(Split.TRAIN, context.data)
    examples.require(dataset.tasks)
    bench = Bench(examples=examples, calibration=calibration, protocol=settings.protocol, context=context)
    record = summarise(step, load_predictor(step, context), bench)
    context.spool.rewind(0)  # what an attempt told that was killed before it was published
    context.log(0, {name: value.value for name, value in record.values.items()})
    record.write(context.out_dir)


def load_predictor(step: Step, context: RunContext) -> Predictor:
    """The trained method of an evaluation step, from its published inputs."""
    settings: EvaluateConfig = step.config
    match settings.method:
        case "controllable":
            net = load_anchor(step.inputs["anchor"], context)
            weight = load_weight(step.inputs["weight"], context) if "weight" in step.inputs else None
            edge = load_edge(step.inputs["edge"], context)
            return ControllablePredictor(Controller(net, edge, weight))
        case "single_task":
            return SingleTaskPredictor(load_anchor(step.inputs["anchor"], context))
        case "static_grid":
            in_order = sorted(step.inputs.items(), key=_number)
            nets = [load_shared(net, context, role) for role, net in in_order]
            trained_for_KN = np.array([trained_for(net.config) for _, net in in_order])
            return StaticGridPredictor(nets, trained_for_KN)
        case "phn_bn":
            net = load_shared(step.inputs["phn_bn"], context, "phn_bn")
            return PHNBNPredictor(net, load_phn_bn_hypernet(net, step.inputs["phn_bn"], context))
        case "static_tree":
            net, parents_LN = load_retrained(step.inputs["retrain"], context)
            return StaticTreePredictor(net, parents_LN, load_anchor(step.inputs["anchor"], context))
        case "constant":
            constants = load_constants(step.inputs["constant"], context)
            return ConstantPredictor(constants, dataset_of(step).tasks)
        case "phn":
            return PHNPredictor(*load_phn(step.inputs["phn"], context))


def _step(
    method: MethodName, protocol: EvaluationConfig, inputs: dict[str, Step], *, seed: int | None
) -> Step:
    settings = EvaluateConfig(method=method, protocol=protocol)
    return Step(stage=STAGE, revision=REVISION, config=settings, run=run_evaluate, inputs=inputs, seed=seed)


def _number(role_and_net: tuple[str, Step]) -> int:
    """Position of a static net among the preferences; text order would put net_1000 before net_101."""
    return int(role_and_net[0].removeprefix("net_"))
