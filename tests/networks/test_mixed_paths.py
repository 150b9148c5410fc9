"""Per-task mixtures of nodes, against paths and against mixtures made by hand."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dymu.networks.anchor_net import AnchorNet
from dymu.networks.forward import Conditions, path_forward
from dymu.networks.mixed_paths import mixed_path_forward
from dymu.networks.norm import NormCall

MakeNet = Callable[..., AnchorNet]


@pytest.fixture
def choices() -> Tensor:
    """(3, 3) random operations, [layer, task]."""
    return torch.tensor([[1, 0, 1], [2, 2, 0], [0, 1, 1]])


@pytest.mark.parametrize("skip_layer", [None, 1])
def test_sure_choices_are_paths(
    skip_layer: int | None, make_net: MakeNet, images: Tensor, choices: Tensor
) -> None:
    net = make_net(skip_layer=skip_layer)
    found = mixed_path_forward(net, images, torch.eye(3, dtype=torch.float64)[choices])
    wanted = [[tuple(choices[:, task].tolist())] for task in range(3)]
    expected = path_forward(net, images, wanted, Conditions("batch"))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_images_of_their_own_follow_their_tasks(make_net: MakeNet, images: Tensor, choices: Tensor) -> None:
    net, probs = make_net(), torch.eye(3, dtype=torch.float64)[choices]
    own = torch.stack([images, 2 * images.flip(0), images**2], dim=1)
    found = mixed_path_forward(net, own, probs)
    for task in range(3):
        alone = mixed_path_forward(net, own[:, task], probs)
        torch.testing.assert_close(found[task], alone[task])


def test_a_mixture_is_the_weighted_sum_of_what_the_nodes_make(make_net: MakeNet, images: Tensor) -> None:
    net = make_net()
    generator = torch.Generator().manual_seed(3)
    probs = torch.randn(3, 3, 3, generator=generator, dtype=torch.float64).softmax(dim=-1)
    found = mixed_path_forward(net, images, probs)
    call = NormCall("batch")
    for task in range(3):
        features = images.unsqueeze(1)
        for layer in range(3):
            made = [net.block(layer, stream)(features, call) for stream in range(3)]
            features = torch.stack([p * one for p, one in zip(probs[layer, task], made, strict=True)]).sum(0)
        torch.testing.assert_close(found[task], net.head(task)(features, None, call))


def test_choices_and_weights_have_gradients(make_net: MakeNet, images: Tensor) -> None:
    net = make_net()
    probs = torch.full((3, 3, 3), 1 / 3, dtype=torch.float64, requires_grad=True)
    sum(prediction.square().mean() for prediction in mixed_path_forward(net, images, probs)).backward()  # type: ignore[union-attr]
    assert probs.grad is not None
    assert probs.grad.abs().sum(dim=(1, 2)).gt(0).all()
    assert all(parameter.grad is not None for parameter in net.parameters())
