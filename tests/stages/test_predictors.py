"""How each method turns preferences into networks, and what they cost."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dymu.artifacts.config import changed
from dymu.artifacts.step import Step
from dymu.data.examples import DataPlace
from dymu.data.splits import Split
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.backbones.mobilenet_v2 import MobileNetV2
from dymu.networks.controller import Controller
from dymu.networks.tree import separate_streams, shared_stream
from dymu.spec.study import Study
from dymu.spec.task import Task
from dymu.stages.anchor import load_anchor
from dymu.stages.context import RunContext
from dymu.stages.edge import load_edge
from dymu.stages.measure import Bench, Measurement, measure
from dymu.stages.predictors import (
    ControllablePredictor,
    PHNBNPredictor,
    SingleTaskPredictor,
    StaticGridPredictor,
    StaticTreePredictor,
)
from dymu.stages.retrain import load_retrained
from dymu.stages.shared import load_phn_bn_hypernet, load_shared, shared_step
from dymu.stages.weight import load_weight

MakeContext = Callable[..., RunContext]
Preferences = NDArray[np.float64]


@pytest.fixture
def preferences() -> Preferences:
    """(6, 3), corners among them."""
    drawn = np.random.default_rng(0).dirichlet(np.ones(3), size=3)
    return np.vstack([drawn, np.eye(3)])


@pytest.fixture
def context(steps: Mapping[str, Step], context_of: MakeContext, tmp_path: Path) -> RunContext:
    return context_of(steps["evaluate"], tmp_path)


@pytest.fixture
def bench(context: RunContext, study: Study, place: DataPlace) -> Bench:
    return Bench(
        examples=study.dataset.load(Split.VAL, place),
        calibration=study.dataset.load(Split.TRAIN, place),
        protocol=study.evaluation,
        context=context,
    )


@pytest.fixture
def controllable(steps: Mapping[str, Step], context: RunContext) -> ControllablePredictor:
    net = load_anchor(steps["anchor"], context)
    edge = load_edge(steps["edge"], context)
    with torch.no_grad():  # untrained logits hardly differ: make the preference matter
        edge.trunk.embeddings.mul_(30)
    return ControllablePredictor(Controller(net, edge, load_weight(steps["weight"], context)))


@pytest.fixture
def shared_net(steps: Mapping[str, Step], context_of: MakeContext, tmp_path: Path) -> AnchorNet:
    return load_shared(steps["shared"], context_of(steps["frozen_phn_bn"], tmp_path / "shared"))


def cost_by_walking(net: AnchorNet, tree: list[list[int]]) -> int:
    """Parameters of the nodes that some head reaches, and of all heads."""
    reached = set()
    for task in range(len(net.tasks)):
        node = task
        for layer in reversed(range(net.num_layers)):
            node = tree[layer][node]
            reached.add((layer, node))
    blocks = sum(net.block(*place).num_parameters() for place in reached)
    return blocks + sum(net.head(task).num_parameters() for task in range(len(net.tasks)))


@pytest.mark.parametrize("c", [0.0, 1.0])
def test_active_parameters_are_those_of_the_nodes_that_run(
    controllable: ControllablePredictor, preferences: Preferences, c: float
) -> None:
    trees = controllable.trees(preferences, c)
    expected = [cost_by_walking(controllable.controller.net, tree) for tree in trees]
    assert len(set(expected)) > 1
    assert controllable.cost(preferences, c).parameters_S.tolist() == expected


def test_cost_of_a_thousand_preferences_is_that_of_each_alone(controllable: ControllablePredictor) -> None:
    many = np.random.default_rng(1).dirichlet(np.ones(3), size=1000)
    together = controllable.cost(many, 0.5)
    for s in (0, 1, 500, 999):
        alone = controllable.cost(many[s : s + 1], 0.5)
        assert together.parameters_S[s] == alone.parameters_S[0]
        assert together.macs_S[s] == alone.macs_S[0]


def test_trees_follow_task_and_resource_preference(
    controllable: ControllablePredictor, preferences: Preferences
) -> None:
    trees = controllable.trees(preferences, 0.0)
    assert np.shape(trees) == (6, 3, 3)
    assert len({str(tree) for tree in trees}) > 1
    assert trees != controllable.trees(preferences, 1.0)
    assert trees == controllable.controller.parents(torch.from_numpy(preferences), 0.0).tolist()


def test_a_controllable_network_is_measured_on_its_adapted_tree(
    controllable: ControllablePredictor, preferences: Preferences, bench: Bench
) -> None:
    controller, rows = controllable.controller, torch.from_numpy(preferences)
    found = controllable.measure(preferences, 1.0, bench).losses_SN
    expected = measure(controller.net, controller.parents(rows, 1.0), controller.adaptation(rows, 1.0), bench)
    assert torch.equal(found, expected.losses_SN)


def test_without_a_weight_hypernet_it_is_measured_as_it_is(
    controllable: ControllablePredictor, preferences: Preferences, bench: Bench
) -> None:
    controller = replace(controllable.controller, weight=None)
    trees = controller.parents(torch.from_numpy(preferences), 0.0)
    expected = measure(controller.net, trees, None, bench).losses_SN
    found = ControllablePredictor(controller).measure(preferences, 0.0, bench).losses_SN
    assert torch.equal(found, expected)
    assert not torch.allclose(controllable.measure(preferences, 0.0, bench).losses_SN, expected)


def test_control_parameters_are_those_of_the_hypernets(controllable: ControllablePredictor) -> None:
    def size(module: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    controller = controllable.controller
    assert controller.weight is not None
    unadapted = ControllablePredictor(replace(controller, weight=None))
    assert unadapted.control_parameters() == size(controller.edge)
    assert controllable.control_parameters() == size(controller.edge) + size(controller.weight)
    assert controllable.anchor_parameters() == size(controller.net)


def test_single_task_nets_ignore_every_preference(
    controllable: ControllablePredictor, preferences: Preferences, bench: Bench
) -> None:
    single = SingleTaskPredictor(controllable.controller.net)
    found = single.measure(preferences, 0.0, bench).losses_SN
    expected = measure(controllable.controller.net, separate_streams(3, 3), None, bench).losses_SN
    assert torch.equal(found, expected.expand(6, -1))
    assert (
        single.cost(preferences, 0.0).parameters_S.tolist()
        == [controllable.controller.net.num_parameters()] * 6
    )
    assert single.trees(preferences, 0.0) == []
    assert single.control_parameters() == 0.0
    assert single.anchor_parameters() == controllable.controller.net.num_parameters()


def test_multiply_accumulates_of_single_task_nets_are_those_of_the_tree_that_shares_nothing(
    controllable: ControllablePredictor, preferences: Preferences
) -> None:
    costs = controllable.costs
    assert (
        SingleTaskPredictor(controllable.controller.net).cost(preferences, 0.0).macs_S
        == costs.macs_LS.sum() + costs.head_macs_N.sum()
    ).all()


def test_a_stem_costs_once_in_a_tree_and_in_separate_nets(preferences: Preferences) -> None:
    tasks = (Task(name="depth", kind="depth", num_outputs=1), Task(name="edges", kind="edges", num_outputs=1))
    with torch.device("meta"):
        net = AnchorNet(MobileNetV2(), tasks, (3, 32, 32), num_streams=2)
    assert net.stem is not None
    tree = separate_streams(18, 2)[0]
    of_tree = StaticTreePredictor(net, tree, net).cost(preferences, 0.0)
    of_nets = SingleTaskPredictor(net).cost(preferences, 0.0)
    np.testing.assert_array_equal(of_tree.parameters_S, net.num_parameters())
    np.testing.assert_array_equal(of_nets.parameters_S, of_tree.parameters_S)
    np.testing.assert_array_equal(of_nets.macs_S, of_tree.macs_S)
    shared = StaticTreePredictor(net, shared_stream(18, 2)[0], net).cost(preferences, 0.0)
    one_stream = sum(net.block(layer, 0).num_parameters() for layer in range(18))
    np.testing.assert_array_equal(of_tree.parameters_S - shared.parameters_S, one_stream)


def test_a_preference_is_served_by_the_static_net_that_was_trained_for_the_nearest_one(
    steps: Mapping[str, Step], context_of: MakeContext, bench: Bench, tmp_path: Path
) -> None:
    nets = []
    for number, row in enumerate([(1.0, 0.0, 0.0), (0.0, 0.5, 0.5)]):
        step = shared_step(changed(steps["shared"].config, {"preference": row}), seed=0)
        reader = Step(
            stage="reader", revision=1, config=step.config, run=step.run, inputs={"shared": step}, seed=0
        )
        nets.append(load_shared(step, context_of(reader, tmp_path / str(number))))
    grid = StaticGridPredictor(nets, np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]))
    preferences = np.array([[0.9, 0.1, 0.0], [0.1, 0.4, 0.5], [0.6, 0.2, 0.2]])
    assert grid.nearest(preferences).tolist() == [0, 1, 0]
    found = grid.measure(preferences, 0.0, bench)
    assert torch.equal(found.losses_SN[2], found.losses_SN[0])
    for number, net in enumerate(nets):
        alone = measure(net, shared_stream(3, 3), None, bench)
        assert torch.equal(found.losses_SN[number], alone.losses_SN[0])
        assert found.metrics["left/accuracy"][number] == alone.metrics["left/accuracy"][0]
    assert not torch.equal(found.losses_SN[0], found.losses_SN[1])
    assert grid.anchor_parameters() == 2 * nets[0].num_parameters()
    assert grid.cost(preferences, 0.0).parameters_S.tolist() == [nets[0].num_parameters()] * 3


def test_static_nets_are_measured_once_on_a_bench(
    shared_net: AnchorNet, bench: Bench, preferences: Preferences, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Bench] = []

    def counted(net: AnchorNet, tree: torch.Tensor, adaptation: None, on: Bench) -> Measurement:
        measured.append(on)
        return measure(net, tree, adaptation, on)

    monkeypatch.setattr("dymu.stages.predictors.measure", counted)
    grid = StaticGridPredictor([shared_net], np.array([[0.2, 0.3, 0.5]]))
    first, second = (grid.measure(preferences[part], 0.0, bench) for part in (slice(3), slice(3, 6)))
    assert measured == [bench]
    assert torch.equal(first.losses_SN, second.losses_SN)
    other = replace(bench, protocol=changed(bench.protocol, {"batch_size": 3}))
    assert not torch.equal(grid.measure(preferences, 0.0, other).losses_SN[:3], first.losses_SN)
    assert len(measured) == 2


def test_a_static_grid_knows_what_each_net_was_trained_for(
    shared_net: AnchorNet, preferences: Preferences
) -> None:
    with pytest.raises(AssertionError, match="each net has the preference that it was trained for"):
        StaticGridPredictor([shared_net], preferences)


def test_phn_bn_is_the_shared_tree_adapted_to_the_preference(
    steps: Mapping[str, Step],
    study_of: Callable[[str], Study],
    context_of: MakeContext,
    bench: Bench,
    preferences: Preferences,
    tmp_path: Path,
) -> None:
    context = context_of(study_of("phn_bn").evaluation_step(0), tmp_path / "phn_bn")
    net = load_shared(steps["phn_bn"], context, "phn_bn")
    hypernet = load_phn_bn_hypernet(net, steps["phn_bn"], context)
    predictor = PHNBNPredictor(net, hypernet)
    found = predictor.measure(preferences, 0.0, bench).losses_SN
    adaptation = hypernet(torch.from_numpy(preferences).float(), torch.zeros(6))
    trees = shared_stream(3, 3).expand(6, -1, -1)
    assert torch.equal(found, measure(net, trees, adaptation, bench).losses_SN)
    assert torch.equal(found, predictor.measure(preferences, 1.0, bench).losses_SN)
    assert len(found.unique(dim=0)) == 6
    assert predictor.cost(preferences, 0.0).parameters_S.tolist() == [net.num_parameters()] * 6
    assert predictor.control_parameters() == sum(parameter.numel() for parameter in hypernet.parameters())
    assert predictor.anchor_parameters() == net.num_parameters()


def test_only_the_papers_method_follows_the_resource_preference() -> None:
    assert ControllablePredictor.follows_resource
    others = (SingleTaskPredictor, StaticGridPredictor, PHNBNPredictor)
    assert not any(predictor.follows_resource for predictor in others)


@pytest.fixture
def static_tree(
    study_of: Callable[[str], Study], context_of: MakeContext, tmp_path: Path
) -> StaticTreePredictor:
    evaluation = study_of("retrained").evaluation_step(0)
    context = context_of(evaluation, tmp_path / "tree")
    net, parents = load_retrained(evaluation.inputs["retrain"], context)
    return StaticTreePredictor(net, parents, load_anchor(evaluation.inputs["anchor"], context))


def test_a_static_tree_is_the_same_point_for_every_preference(
    static_tree: StaticTreePredictor, preferences: Preferences, bench: Bench
) -> None:
    found = static_tree.measure(preferences, 0.0, bench)
    alone = measure(static_tree.net, static_tree.parents_LN.unsqueeze(0), None, bench)
    assert torch.equal(found.losses_SN, alone.losses_SN.expand(6, -1))
    assert static_tree.trees(preferences, 1.0) == [static_tree.parents_LN.tolist()] * 6
    assert not static_tree.follows_resource


def test_a_static_tree_stores_and_costs_its_own_nodes_only(
    static_tree: StaticTreePredictor, preferences: Preferences
) -> None:
    expected = cost_by_walking(static_tree.net, static_tree.parents_LN.tolist())
    assert static_tree.cost(preferences, 0.0).parameters_S.tolist() == [expected] * 6
    assert static_tree.anchor_parameters() == expected < static_tree.net.num_parameters()
    assert static_tree.control_parameters() == 0


def test_a_static_tree_is_compared_with_the_single_task_nets(
    static_tree: StaticTreePredictor, steps: Mapping[str, Step], context: RunContext, bench: Bench
) -> None:
    single = SingleTaskPredictor(load_anchor(steps["anchor"], context))
    expected = single.measure(np.full((1, 3), 1 / 3), 0.0, bench)
    found = static_tree.reference(bench)
    assert torch.equal(found.losses_SN, expected.losses_SN)
    assert found.metrics.keys() == expected.metrics.keys()
    assert single.reference(bench) is None
