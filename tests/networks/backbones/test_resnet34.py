"""ResNet-34: layers, strides, dilation, its keys in files, and what its config refuses."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.protocol import Backbone
from dymu.networks.backbones.resnet34 import BasicBlock, ResNet34
from dymu.networks.norm import NormCall
from dymu.networks.pretrained import PretrainedWeights, load_pretrained
from dymu.spec.task import Task

TASKS = (Task(name="depth", kind="depth", num_outputs=1),)
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))


def make_net(**fields: Any) -> AnchorNet:
    with torch.device("meta"):
        return AnchorNet(ResNet34(**fields), TASKS, (3, 64, 96), num_streams=1)


def file_tensors() -> dict[str, Tensor]:
    """Random weights in torchvision's layout, written down from its documentation of ResNet-34."""
    generator = torch.Generator().manual_seed(0)

    def conv(out: int, into: int, size: int) -> Tensor:
        return torch.randn(out, into, size, size, generator=generator) * (2 / (into * size * size)) ** 0.5

    def norm(name: str, size: int) -> dict[str, Tensor]:
        drawn = {
            f"{name}.{key}": torch.rand(size, generator=generator) + 0.5
            for key in ("weight", "bias", "running_mean", "running_var")
        }
        return drawn | {f"{name}.num_batches_tracked": torch.tensor(1)}

    tensors = {"conv1.weight": conv(64, 3, 7), **norm("bn1", 64)}
    into = 64
    for stage, (out, count) in enumerate(STAGES, start=1):
        for index in range(count):
            name = f"layer{stage}.{index}"
            tensors |= {f"{name}.conv1.weight": conv(out, into, 3), **norm(f"{name}.bn1", out)}
            tensors |= {f"{name}.conv2.weight": conv(out, out, 3), **norm(f"{name}.bn2", out)}
            if into != out:
                tensors |= {f"{name}.downsample.0.weight": conv(out, into, 1)}
                tensors |= norm(f"{name}.downsample.1", out)
            into = out
    return tensors | {"fc.weight": torch.ones(1000, 512), "fc.bias": torch.ones(1000)}


def by_hand(tensors: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """The published network up to its last block, with stored statistics."""

    def conv(name: str, norm: str, features: Tensor, stride: int = 1) -> Tensor:
        weight = tensors[f"{name}.weight"]
        out = functional.conv2d(features, weight, stride=stride, padding=weight.shape[-1] // 2)
        mean, variance, scale, shift = (
            tensors[f"{norm}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(out, mean, variance, scale, shift)

    features = functional.relu(conv("conv1", "bn1", images, 2))
    features = functional.max_pool2d(features, 3, stride=2, padding=1)
    for stage, (_, count) in enumerate(STAGES, start=1):
        for index in range(count):
            name, stride = f"layer{stage}.{index}", 2 if stage > 1 and index == 0 else 1
            hidden = functional.relu(conv(f"{name}.conv1", f"{name}.bn1", features, stride))
            hidden = conv(f"{name}.conv2", f"{name}.bn2", hidden)
            if f"{name}.downsample.0.weight" in tensors:
                features = conv(f"{name}.downsample.0", f"{name}.downsample.1", features, stride)
            features = functional.relu(hidden + features)
    return features


@pytest.mark.parametrize("stems", ["shared", "per_stream"])
def test_with_a_file_the_layers_are_the_published_network(tmp_path: Path, stems: Any) -> None:
    content = save(file_tensors())
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "resnet.safetensors").write_bytes(content)
    weights = PretrainedWeights(file="resnet.safetensors", sha256=sha256(content).hexdigest())
    net = single_task_nets(ResNet34(pretrained=weights, stems=stems), TASKS, (3, 64, 96), torch.Generator())
    report = load_pretrained(net, tmp_path)
    assert sorted(key for key in report.unused if "tracked" not in key) == ["fc.bias", "fc.weight"]
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = net.entry(images.unsqueeze(1))
        for layer in range(16):
            features = net.block(layer, 0)(features, NormCall("running"))
        expected = by_hand(file_tensors(), images)
    torch.testing.assert_close(features.squeeze(1), expected, rtol=1e-4, atol=1e-4 * float(expected.max()))


@pytest.mark.parametrize("stems", ["shared", "per_stream"])
@pytest.mark.parametrize("output_stride", [16, 32])
def test_layers_have_the_published_shapes(output_stride: Any, stems: Any) -> None:
    shapes = make_net(output_stride=output_stride, stems=stems).layer_shapes()
    channels = [*[64] * 3, *[128] * 4, *[256] * 6, *[512] * 3, 128]
    strides = [*[4] * 3, *[8] * 4, *[16] * 6, *[output_stride] * 4]
    assert shapes == [(c, 64 // s, 96 // s) for c, s in zip(channels, strides, strict=True)]


def test_dilation_stands_in_for_the_last_stride() -> None:
    net = make_net(output_stride=16)
    found = []
    for layer in range(16):
        block = net.block(layer, 0)
        assert isinstance(block, BasicBlock)
        found.append((block.first.conv.dilation[0], block.second.conv.dilation[0]))
    assert found == [(1, 1)] * 13 + [(1, 2), (2, 2), (2, 2)]


def test_without_final_affine_the_last_normalisation_of_every_layer_has_no_scale() -> None:
    with_, without = make_net(), make_net(final_affine=False)
    for layer in range(17):
        difference = with_.block(layer, 0).num_modulated() - without.block(layer, 0).num_modulated()
        assert difference == with_.block(layer, 0).out_shape[0]


def test_it_satisfies_the_protocol() -> None:
    assert isinstance(ResNet34(), Backbone)
    assert ResNet34().num_layers == 17
    assert ResNet34().skip_layer == 2


@pytest.mark.parametrize("wrong", [{"output_stride": 8}, {"aspp_channels": 0}, {"stems": "none"}])
def test_a_config_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=f"ResNet34.{next(iter(wrong))}"):
        ResNet34(**wrong)
