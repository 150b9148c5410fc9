"""What nodes cost: parameters that add up, multiply-accumulates that can be counted by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.costs import node_costs
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
