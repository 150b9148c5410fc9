"""Perturbations node by node: those of the weight hypernet."""

from collections.abc import Callable

import pytest
import torch

from dymu.networks.anchor_net import AnchorNet
from dymu.networks.node_heads import NodeHeads
from dymu.networks.preference_embedding import HypernetConfig
from dymu.networks.weight_hypernet import WeightHypernet, make_weight_hypernet

MakeNet = Callable[..., AnchorNet]
R = torch.tensor([[0.2, 0.3, 0.5]], dtype=torch.float64)


def hypernet_of(net: AnchorNet) -> WeightHypernet:
    """All of its numbers differ."""
    generator = torch.Generator().manual_seed(0)
    hypernet = make_weight_hypernet(HypernetConfig(embedding_std=3.0), net, generator)
    with torch.no_grad():
        hypernet.heads.weight.normal_(0.0, 0.1, generator=generator)
        hypernet.heads.bias.normal_(generator=generator)
    return hypernet.requires_grad_(False)


def test_perturbations_are_those_of_the_hypernet(make_net: MakeNet) -> None:
    net = make_net()
    hypernet = hypernet_of(net)
    whole = hypernet(R.float(), torch.tensor([0.4]))
    heads = NodeHeads(hypernet, net)
    found = heads.adaptations(R, 0.4, range(12)).values()
    torch.testing.assert_close(torch.cat([part.scale_PD for part in found], dim=1), whole.scale_PD)
    torch.testing.assert_close(torch.cat([part.shift_PD for part in found], dim=1), whole.shift_PD)


def test_some_nodes_are_those_of_all(make_net: MakeNet) -> None:
    net = make_net()
    heads = NodeHeads(hypernet_of(net), net)
    some, every = heads.adaptations(R, 0.4, [7, 2]), heads.adaptations(R, 0.4, range(12))
    assert list(some) == [7, 2]
    for number, adaptation in some.items():
        assert torch.equal(adaptation.scale_PD, every[number].scale_PD)
        assert torch.equal(adaptation.shift_PD, every[number].shift_PD)


def test_an_answer_is_the_same_when_asked_again(make_net: MakeNet) -> None:
    net = make_net()
    heads = NodeHeads(hypernet_of(net), net)
    first = heads.adaptations(R, 0.4, [3])[3].scale_PD.clone()
    heads.adaptations(R.flip(1), 0.9, [3])
    assert torch.equal(heads.adaptations(R, 0.4, [3])[3].scale_PD, first)


@pytest.mark.parametrize("resource", [0.0, 1.0])
def test_hidden_units_that_are_all_zero_leave_the_biases(make_net: MakeNet, resource: float) -> None:
    net = make_net()
    hypernet = hypernet_of(net)
    with torch.no_grad():
        list(hypernet.trunk.hidden.parameters())[-1].fill_(-1e6)  # the last bias
    size_D = next(net.nodes()).num_modulated()
    found = NodeHeads(hypernet, net).adaptations(R, resource, [0])[0]
    assert torch.equal(found.scale_PD[0], hypernet.heads.bias[:size_D])


def test_a_node_without_affine_channels_has_none(make_net: MakeNet) -> None:
    net = make_net()
    head = net.num_streams * net.num_layers  # the linear one, of the first task
    assert NodeHeads(hypernet_of(net), net).adaptations(R, 0.4, [0, head]).keys() == {0}
