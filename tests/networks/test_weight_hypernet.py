"""The weight hypernet: its size, its start at zero, what enters it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dymu.networks.anchor_net import AnchorNet
from dymu.networks.norm import Norm
from dymu.networks.preference_embedding import HypernetConfig
from dymu.networks.weight_hypernet import WeightHypernet, make_weight_hypernet, num_modulated_channels

MakeNet = Callable[..., AnchorNet]
PREFERENCES = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])


def make(net: AnchorNet, *, use_resource: bool = True) -> WeightHypernet:
    generator = torch.Generator().manual_seed(0)
    return make_weight_hypernet(HypernetConfig(), net, generator, use_resource=use_resource)


def trained(net: AnchorNet, *, use_resource: bool = True) -> WeightHypernet:
    """A hypernet whose outputs are not zero."""
    hypernet = make(net, use_resource=use_resource)
    with torch.no_grad():
        hypernet.heads.weight.normal_(generator=torch.Generator().manual_seed(1))
    return hypernet


def both(hypernet: WeightHypernet, resource: Tensor) -> Tensor:
    adaptation = hypernet(PREFERENCES, resource)
    return torch.cat([adaptation.scale_PD, adaptation.shift_PD], dim=1)


def test_it_has_the_papers_size(make_net: MakeNet) -> None:
    net = make_net()
    outputs = 2 * num_modulated_channels(net)
    found = sum(parameter.numel() for parameter in make(net).parameters())
    assert found == 23_500 + 32 * (3 + 1) + 101 * outputs


def test_every_affine_channel_of_every_node_is_modulated(make_net: MakeNet) -> None:
    net = make_net()
    norms = [module for module in net.modules() if isinstance(module, Norm)]
    assert num_modulated_channels(net) == sum(norm.num_channels for norm in norms)
    # Three streams of two normalisations a block (3, 4, 4 channels) and two dense heads of 3 channels.
    assert num_modulated_channels(net) == 3 * 2 * (3 + 4 + 4) + 2 * 3


def test_scale_and_shift_have_one_row_a_preference(make_net: MakeNet) -> None:
    net = make_net()
    adaptation = trained(net)(PREFERENCES, torch.zeros(2))
    assert adaptation.scale_PD.shape == adaptation.shift_PD.shape == (2, num_modulated_channels(net))
    assert not torch.allclose(adaptation.scale_PD, adaptation.shift_PD)


@pytest.mark.parametrize("use_resource", [True, False])
def test_it_starts_at_exactly_zero(make_net: MakeNet, *, use_resource: bool) -> None:
    out = both(make(make_net(), use_resource=use_resource), torch.tensor([0.0, 1.0]))
    assert not out.any()


def test_it_can_leave_zero(make_net: MakeNet) -> None:
    hypernet = make(make_net())
    both(hypernet, torch.zeros(2)).sum().backward()
    assert hypernet.heads.weight.grad is not None
    assert (hypernet.heads.weight.grad != 0).any()


def test_the_resource_preference_enters(make_net: MakeNet) -> None:
    hypernet = trained(make_net())
    assert not torch.allclose(both(hypernet, torch.zeros(2)), both(hypernet, torch.ones(2)))


def test_the_resource_preference_stays_out_if_told(make_net: MakeNet) -> None:
    hypernet = trained(make_net(), use_resource=False)
    assert torch.equal(both(hypernet, torch.zeros(2)), both(hypernet, torch.ones(2)))
    assert hypernet.trunk.embeddings.shape == (3, 32)


def test_a_shared_backbone_has_the_channels_of_one_stream(make_net: MakeNet) -> None:
    assert num_modulated_channels(make_net(num_streams=1)) == 2 * (3 + 4 + 4) + 2 * 3
