"""What nodes cost: parameters that add up, multiply-accumulates that can be counted by hand."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.mobilenet_v2 import MobileNetV2
from dymu.networks.backbones.protocol import Backbone
from dymu.networks.backbones.resnet9 import ResNet9
from dymu.networks.backbones.resnet34 import ResNet34
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.costs import node_costs
from dymu.networks.edge_hypernet import EdgeHypernet
from dymu.networks.preference_embedding import HypernetConfig
from dymu.networks.weight_hypernet import WeightHypernet, num_modulated_channels
from dymu.spec.task import Task

MakeNet = Callable[..., AnchorNet]


@pytest.mark.parametrize("num_streams", [3, 1])
def test_parameters_add_up_to_those_of_the_net(make_net: MakeNet, num_streams: int) -> None:
    net = make_net(num_streams=num_streams, skip_layer=0)
    costs = node_costs(net)
    assert costs.parameters_LS.shape == costs.macs_LS.shape == (3, num_streams)
    assert costs.parameters_LS.sum() + costs.head_parameters_N.sum() == net.num_parameters()


def test_multiply_accumulates_of_small_convolutions_and_heads_by_hand() -> None:
    tasks = (
        Task(name="digit", kind="classification", num_outputs=10),
        Task(name="depth", kind="depth", num_outputs=1),
    )
    backbone = SmallBackbone(channels=(4, 6), resolutions=("keep", "halve"), head_channels=5)
    costs = node_costs(single_task_nets(backbone, tasks, (3, 8, 6), torch.Generator()))
    first = (8 * 6) * (4 * 3 * 9) + (8 * 6) * (4 * 4 * 9)
    second = (4 * 3) * (6 * 4 * 9) + (4 * 3) * (6 * 6 * 9)
    np.testing.assert_array_equal(costs.macs_LS, [[first, first], [second, second]])
    linear = (6 * 4 * 3) * 10
    dense = (4 * 3) * (5 * 6 * 9) + (4 * 3) * (1 * 5)
    np.testing.assert_array_equal(costs.head_macs_N, [linear, dense])


def test_doubling_costs_at_the_doubled_size() -> None:
    tasks = (Task(name="digit", kind="classification", num_outputs=2),)
    backbone = SmallBackbone(channels=(2,), resolutions=("double",))
    costs = node_costs(single_task_nets(backbone, tasks, (1, 3, 5), torch.Generator()))
    assert costs.macs_LS[0, 0] == (6 * 10) * (2 * 1 * 9) + (6 * 10) * (2 * 2 * 9)


def test_streams_of_one_layer_cost_the_same(make_net: MakeNet) -> None:
    costs = node_costs(make_net())
    assert (costs.parameters_LS == costs.parameters_LS[:, :1]).all()
    assert (costs.macs_LS == costs.macs_LS[:, :1]).all()


def test_a_skip_layer_costs_in_the_dense_heads(make_net: MakeNet) -> None:
    plain, skipping = node_costs(make_net()), node_costs(make_net(skip_layer=0))
    assert skipping.head_parameters_N[0] == plain.head_parameters_N[0]
    assert skipping.head_parameters_N[1] == plain.head_parameters_N[1] + 3 * 3 * 9


def test_measuring_changes_nothing(make_net: MakeNet) -> None:
    net = make_net()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    node_costs(net)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


SEGMENTATION = Task(name="segmentation", kind="segmentation", num_outputs=21)
PARTS = Task(name="parts", kind="segmentation", num_outputs=7)
SALIENCY = Task(name="saliency", kind="saliency", num_outputs=1)
NORMALS = Task(name="normals", kind="normals", num_outputs=3)
EDGES = Task(name="edges", kind="edges", num_outputs=1)
DEPTH = Task(name="depth", kind="depth", num_outputs=1)
CLASSES_40 = Task(name="segmentation", kind="segmentation", num_outputs=40)


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A setting and what the paper prints of it: millions of parameters, and GMACs that it calls GFLOPs."""

    backbone: Backbone
    tasks: tuple[Task, ...]
    image_shape: tuple[int, int, int]
    single_parameters: str
    shared_parameters: str
    single_macs: float
    shared_macs: float
    macs_within: float
    edge_parameters: int
    control_parameters: float

    def net(self, *, shared: bool = False) -> AnchorNet:
        """The anchor or one shared backbone, without memory."""
        with torch.device("meta"):
            return AnchorNet(
                self.backbone, self.tasks, self.image_shape, num_streams=1 if shared else len(self.tasks)
            )


PRINTED = {
    "Table 1": Printed(
        backbone=MobileNetV2(),
        tasks=(SEGMENTATION, PARTS, SALIENCY, NORMALS, EDGES),
        image_shape=(3, 512, 512),
        single_parameters="9.84",
        shared_parameters="2.15",
        single_macs=16.17,
        shared_macs=6.28,
        macs_within=0.04,
        edge_parameters=59_042,
        control_parameters=15.32,
    ),
    "Table 2": Printed(
        backbone=MobileNetV2(),
        tasks=(SEGMENTATION, PARTS, SALIENCY),
        image_shape=(3, 512, 512),
        single_parameters="5.91",
        shared_parameters="2.06",
        single_macs=9.75,
        shared_macs=4.81,
        macs_within=0.04,
        edge_parameters=29_890,
        control_parameters=9.25,
    ),
    "Table 3": Printed(
        backbone=ResNet34(),
        tasks=(CLASSES_40, NORMALS, DEPTH),
        image_shape=(3, 448, 576),
        single_parameters="64.47",
        shared_parameters="21.59",
        single_macs=58.78,
        shared_macs=21.02,
        macs_within=0.01,
        edge_parameters=28_981,
        control_parameters=5.72,
    ),
}
per_table = pytest.mark.parametrize("printed", PRINTED.values(), ids=PRINTED.keys())


@per_table
def test_parameters_are_those_of_the_paper_to_the_printed_digit(printed: Printed) -> None:
    assert f"{printed.net().num_parameters() / 1e6:.2f}" == printed.single_parameters
    assert f"{printed.net(shared=True).num_parameters() / 1e6:.2f}" == printed.shared_parameters


@per_table
def test_multiply_accumulates_are_near_those_of_the_paper(printed: Printed) -> None:
    costs = node_costs(printed.net())
    stream, heads = costs.stem_macs + costs.macs_LS[:, 0].sum(), costs.head_macs_N.sum()
    single = len(printed.tasks) * stream + heads
    assert single / 1e9 == pytest.approx(printed.single_macs, rel=printed.macs_within)
    assert (stream + heads) / 1e9 == pytest.approx(printed.shared_macs, rel=printed.macs_within)


@per_table
def test_hypernets_have_the_sizes_of_the_paper(printed: Printed) -> None:
    net = printed.net()
    num_tasks, num_channels = len(printed.tasks), num_modulated_channels(net)
    with torch.device("meta"):
        edge = EdgeHypernet(HypernetConfig(), num_tasks=num_tasks, num_layers=net.num_layers)
        weight = WeightHypernet(HypernetConfig(), num_tasks=num_tasks, num_channels=num_channels)
    edge_parameters, weight_parameters = (
        sum(parameter.numel() for parameter in hypernet.parameters()) for hypernet in (edge, weight)
    )
    assert edge_parameters == printed.edge_parameters
    control = (edge_parameters + weight_parameters) / 1e6
    assert control == pytest.approx(printed.control_parameters, rel=0.01)


def test_the_edge_hypernet_of_cifar_100_has_the_size_of_the_paper() -> None:
    with torch.device("meta"):
        edge = EdgeHypernet(HypernetConfig(), num_tasks=20, num_layers=ResNet9().num_layers)
    assert sum(parameter.numel() for parameter in edge.parameters()) == 337_272


def test_a_stem_counts_once() -> None:
    shared, apart = (
        node_costs(AnchorNet(MobileNetV2(stems=stems), (DEPTH, NORMALS), (3, 32, 48), num_streams=2))
        for stems in ("shared", "per_stream")
    )
    assert shared.stem_parameters == 32 * 3 * 9 + 2 * 32
    assert shared.stem_macs == (16 * 24) * (32 * 3 * 9)
    assert apart.stem_parameters == apart.stem_macs == 0
    np.testing.assert_array_equal(apart.parameters_LS[0] - shared.parameters_LS[0], shared.stem_parameters)
    np.testing.assert_array_equal(apart.macs_LS[0] - shared.macs_LS[0], shared.stem_macs)


def test_parameters_with_a_stem_add_up_to_those_of_the_net() -> None:
    net = PRINTED["Table 2"].net()
    costs = node_costs(net)
    total = costs.stem_parameters + costs.parameters_LS.sum() + costs.head_parameters_N.sum()
    assert total == net.num_parameters()
