"""ResNet-9: the function that its eight layers compute, its counts, and what it refuses."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.protocol import Backbone
from dymu.networks.backbones.resnet9 import Pooling, ResNet9, ScaledLinearHead
from dymu.networks.forward import Conditions, path_forward
from dymu.spec.task import Task

FRUIT = Task(name="fruit", kind="classification", num_outputs=5)


def run(net: AnchorNet, images: Tensor) -> Tensor:
    (out,) = path_forward(net, images, [[(0,) * 8]], Conditions("batch"))
    return out.squeeze(1)


def by_hand(net: AnchorNet, images: Tensor, pooling: Pooling) -> Tensor:
    """The published network, one line per module."""

    def weights(layer: int) -> Tensor:
        return dict(net.block(layer, 0).named_parameters())["conv.weight"]

    def conv(layer: int, features: Tensor, *, pool: bool = False) -> Tensor:
        out = functional.conv2d(features, weights(layer), padding=1)
        if pool and pooling == "before_norm":
            out = functional.max_pool2d(out, 2)
        out = functional.relu(functional.batch_norm(out, None, None, training=True))
        return functional.max_pool2d(out, 2) if pool and pooling == "after_relu" else out

    features = conv(1, conv(0, images), pool=True)
    features = features + conv(3, conv(2, features))
    features = conv(5, conv(4, features, pool=True), pool=True)
    features = features + conv(7, conv(6, features))
    head = net.head(0)
    assert isinstance(head, ScaledLinearHead)
    pooled = functional.max_pool2d(features, features.shape[-1]).flatten(1)
    return functional.linear(pooled, head.linear.weight, head.linear.bias) * 0.125


@pytest.mark.parametrize("pooling", ["after_relu", "before_norm"])
def test_the_layers_together_are_the_published_network(pooling: Pooling) -> None:
    generator = torch.Generator().manual_seed(0)
    net = single_task_nets(ResNet9(width=4, pooling=pooling), (FRUIT,), (3, 16, 16), generator).double()
    images = torch.randn(3, 3, 16, 16, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(run(net, images), by_hand(net, images, pooling))


def test_in_a_tree_the_residual_comes_from_the_parent_that_the_features_come_from() -> None:
    generator = torch.Generator().manual_seed(0)
    tasks = (FRUIT, Task(name="trees", kind="classification", num_outputs=5))
    net = single_task_nets(
        ResNet9(width=2), tasks, (3, 8, 8), generator, common_initialisation=False
    ).double()
    images = torch.randn(2, 3, 8, 8, generator=generator, dtype=torch.float64)
    mixed = (0, 0, 0, 1, 1, 1, 1, 1)
    first, _ = path_forward(net, images, [[mixed], [mixed]], Conditions("batch"))
    carried = AnchorNet(ResNet9(width=2), (FRUIT,), (3, 8, 8), num_streams=1).double()
    for layer, stream in enumerate(mixed):
        carried.block(layer, 0).load_state_dict(net.block(layer, stream).state_dict())
    carried.head(0).load_state_dict(net.head(0).state_dict())
    torch.testing.assert_close(first.squeeze(1), run(carried, images))


def test_it_satisfies_the_protocol() -> None:
    assert isinstance(ResNet9(), Backbone)
    assert ResNet9().num_layers == 8
    assert ResNet9().skip_layer is None


@pytest.mark.parametrize(
    ("width", "parameters", "channels"), [(64, 6_570_565, 2_240), (32, 1_644_837, 1_120)]
)
def test_counts_of_one_net(width: int, parameters: int, channels: int) -> None:
    with torch.device("meta"):
        net = AnchorNet(ResNet9(width=width), (FRUIT,), (3, 32, 32), num_streams=1)
    assert net.num_parameters() == parameters
    assert sum(node.num_modulated() for node in net.nodes()) == channels


def test_a_dense_task_is_refused() -> None:
    depth = Task(name="depth", kind="depth", num_outputs=1)
    with pytest.raises(SpecError, match=r"ResNet9 has linear heads .* 'depth' of kind 'depth'; use"):
        ResNet9().head(depth, (512, 4, 4), None, (3, 32, 32))


def test_images_too_small_for_three_poolings_are_refused() -> None:
    with pytest.raises(SpecError, match="the images are 7x32; use images of at least 8x8"):
        ResNet9().block(0, (3, 7, 32))


@pytest.mark.parametrize("wrong", [{"width": 0}, {"pooling": "mean"}, {"logit_scale": 0.0}])
def test_a_config_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SpecError, match=f"ResNet9.{next(iter(wrong))}"):
        ResNet9(**wrong)  # type: ignore[arg-type]
