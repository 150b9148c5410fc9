"""MobileNetV2: layers, strides, dilation, residual connections, and what its config refuses."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.mobilenet_v2 import InvertedResidual, MobileNetV2
from dymu.networks.backbones.protocol import Backbone
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.norm import NormCall
from dymu.networks.pretrained import PretrainedWeights, load_pretrained
from dymu.networks.tree import shared_stream
from dymu.spec.task import Task

TASKS = (
    Task(name="parts", kind="segmentation", num_outputs=7),
    Task(name="normals", kind="normals", num_outputs=3),
)
# Expansion, output channels and stride of each block, as published.
BLOCKS = (
    (1, 16, 1),
    *((6, 24, 2), (6, 24, 1)),
    *((6, 32, 2), (6, 32, 1), (6, 32, 1)),
    *((6, 64, 2), (6, 64, 1), (6, 64, 1), (6, 64, 1)),
    *((6, 96, 1), (6, 96, 1), (6, 96, 1)),
    *((6, 160, 2), (6, 160, 1), (6, 160, 1)),
    (6, 320, 1),
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


def file_tensors() -> dict[str, Tensor]:
    """Random weights in torchvision's layout: a classifier's 1280 channels included."""
    generator = torch.Generator().manual_seed(0)
    tensors: dict[str, Tensor] = {}

    def unit(conv: str, norm: str, shape: tuple[int, int, int, int]) -> None:
        fan_in = shape[1] * shape[2] * shape[3]
        tensors[f"{conv}.weight"] = torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5
        for key in ("weight", "bias", "running_mean", "running_var"):
            tensors[f"{norm}.{key}"] = torch.rand(shape[0], generator=generator) + 0.5

    unit("features.0.0", "features.0.1", (32, 3, 3, 3))
    into = 32
    for index, (expansion, out, _) in enumerate(BLOCKS, start=1):
        name, hidden = f"features.{index}.conv", expansion * into
        if expansion > 1:
            unit(f"{name}.0.0", f"{name}.0.1", (hidden, into, 1, 1))
        last = 2 if expansion > 1 else 1
        unit(f"{name}.{last - 1}.0", f"{name}.{last - 1}.1", (hidden, 1, 3, 3))
        unit(f"{name}.{last}", f"{name}.{last + 1}", (out, hidden, 1, 1))
        into = out
    unit("features.18.0", "features.18.1", (1280, into, 1, 1))
    return tensors


def by_hand(tensors: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """The published network up to its last block, with stored statistics."""

    def unit(conv: str, norm: str, features: Tensor, stride: int = 1) -> Tensor:
        weight = tensors[f"{conv}.weight"]
        groups = features.shape[1] // weight.shape[1]
        out = functional.conv2d(features, weight, stride=stride, padding=weight.shape[-1] // 2, groups=groups)
        mean, variance, scale, shift = (
            tensors[f"{norm}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(out, mean, variance, scale, shift)

    features = functional.relu6(unit("features.0.0", "features.0.1", images, 2))
    for index, (expansion, _, stride) in enumerate(BLOCKS, start=1):
        name, hidden = f"features.{index}.conv", features
        if expansion > 1:
            hidden = functional.relu6(unit(f"{name}.0.0", f"{name}.0.1", hidden))
        last = 2 if expansion > 1 else 1
        hidden = functional.relu6(unit(f"{name}.{last - 1}.0", f"{name}.{last - 1}.1", hidden, stride))
        hidden = unit(f"{name}.{last}", f"{name}.{last + 1}", hidden)
        features = features + hidden if hidden.shape == features.shape else hidden
    return features


@pytest.mark.parametrize("stems", ["shared", "per_stream"])
def test_with_a_file_the_layers_are_the_published_network(tmp_path: Path, stems: Any) -> None:
    content = save(file_tensors())
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mobile.safetensors").write_bytes(content)
    weights = PretrainedWeights(file="mobile.safetensors", sha256=sha256(content).hexdigest())
    backbone = MobileNetV2(pretrained=weights, stems=stems, output_stride=32, final_affine=True)
    net = single_task_nets(backbone, TASKS[:1], (3, 64, 96), torch.Generator())
    report = load_pretrained(net, tmp_path)
    assert all(key.startswith("features.18.") for key in report.unused)
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = net.entry(images.unsqueeze(1))
        for layer in range(17):
            features = net.block(layer, 0)(features, NormCall("running"))
        expected = by_hand(file_tensors(), images)
    torch.testing.assert_close(
        features.squeeze(1), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max())
    )


def test_with_dilation_a_filter_reads_the_pixels_that_it_was_trained_on() -> None:
    """At every second pixel the dilated network sees what the strided one sees."""
    nets = [
        single_task_nets(
            MobileNetV2(output_stride=stride, final_affine=True), TASKS[:1], (3, 64, 96), torch.Generator()
        )
        for stride in (16, 32)
    ]
    nets[1].load_state_dict(nets[0].state_dict())
    images = torch.randn(1, 1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    outs = []
    with torch.no_grad():
        for net in nets:
            features = net.entry(images)
            for layer in range(17):
                features = net.block(layer, 0)(features, NormCall("running"))
            outs.append(features)
    torch.testing.assert_close(outs[0][..., ::2, ::2], outs[1], rtol=1e-4, atol=1e-4)
