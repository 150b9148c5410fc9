"""MobileNetV2: layers, strides, dilation, residual connections, and what its config refuses."""

from typing import Any

import pytest
import torch
from torch import nn

from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.mobilenet_v2 import InvertedResidual, MobileNetV2
from dymu.networks.backbones.protocol import Backbone
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.tree import shared_stream
from dymu.spec.task import Task

TASKS = (
    Task(name="parts", kind="segmentation", num_outputs=7),
    Task(name="normals", kind="normals", num_outputs=3),
)


def make_net(image_shape: tuple[int, int, int] = (3, 64, 96), **fields: Any) -> AnchorNet:
    with torch.device("meta"):
        return AnchorNet(MobileNetV2(**fields), TASKS, image_shape, num_streams=1)


@pytest.mark.parametrize("stems", ["shared", "per_stream"])
@pytest.mark.parametrize("output_stride", [16, 32])
def test_layers_have_the_published_shapes(output_stride: Any, stems: Any) -> None:
    shapes = make_net(output_stride=output_stride, stems=stems).layer_shapes()
    channels = [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320, 128]
    strides = [2, 4, 4, 8, 8, 8, *[16] * 7, *[output_stride] * 5]
    expected = [(c, 64 // s, 96 // s) for c, s in zip(channels, strides, strict=True)]
    assert shapes == expected


@pytest.mark.parametrize(("output_stride", "dilated"), [(16, [14, 15, 16]), (32, [])])
def test_dilation_stands_in_for_the_last_stride(output_stride: Any, dilated: list[int]) -> None:
    net = make_net(output_stride=output_stride)
    found = []
    for layer in range(17):
        block = net.block(layer, 0)
        assert isinstance(block, InvertedResidual)
        if block.spatial.conv.dilation == (2, 2):
            found.append(layer)
    assert found == dilated


def test_blocks_that_keep_their_shape_are_residual() -> None:
    net = make_net()
    residual = [layer for layer in range(17) if getattr(net.block(layer, 0), "residual", False)]
    assert residual == [2, 4, 5, 7, 8, 9, 11, 12, 14, 15]


@pytest.mark.parametrize("image_shape", [(3, 33, 47), (3, 120, 160)])
def test_predictions_have_the_size_of_the_image(image_shape: tuple[int, int, int]) -> None:
    net = single_task_nets(MobileNetV2(), TASKS, image_shape, torch.Generator().manual_seed(0), num_streams=1)
    images = torch.randn(2, *image_shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        outs = tree_forward(net, images, shared_stream(18, 2), Conditions("batch"))
    assert [out.shape for out in outs] == [(2, 1, n, *image_shape[1:]) for n in (7, 3)]
    assert all(out.isfinite().all() for out in outs)


def test_without_final_affine_the_last_normalisation_of_every_layer_has_no_scale() -> None:
    with_, without = make_net(final_affine=True), make_net()
    for layer in range(18):
        difference = with_.block(layer, 0).num_modulated() - without.block(layer, 0).num_modulated()
        assert difference == with_.block(layer, 0).out_shape[0]


def test_it_satisfies_the_protocol_and_its_stem_is_shared_or_not() -> None:
    assert isinstance(MobileNetV2(), Backbone)
    assert MobileNetV2().skip_layer == 2
    assert MobileNetV2(stems="per_stream").stem((3, 32, 32)) is None
    first = make_net(stems="per_stream").block(0, 0)
    assert next(first.parameters()).shape == (32, 3, 3, 3)
    assert all((module.bias is None) for module in first.modules() if isinstance(module, nn.Conv2d))


@pytest.mark.parametrize(
    "wrong", [{"output_stride": 8}, {"aspp_channels": 0}, {"stems": "none"}, {"final_affine": 1}]
)
def test_a_config_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=f"MobileNetV2.{next(iter(wrong))}"):
        MobileNetV2(**wrong)
