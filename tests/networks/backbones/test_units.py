"""Stems and the pieces of dense backbones: sizes, statistics that stay, and parts without modulation."""

import pytest
import torch
from torch.nn import functional

from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.backbones.units import (
    ConvNorm,
    ConvStem,
    StemmedBlock,
    activate,
    convolution,
    stem_shape,
    strided,
)
from dymu.networks.initialise import build
from dymu.networks.norm import NormCall

IMAGE_SHAPE = (3, 21, 34)


def make_stem(*, pool: bool = False) -> ConvStem:
    return build(
        lambda: ConvStem(IMAGE_SHAPE, ConvNorm(convolution(3, 4, 3, stride=2)), {}, pool=pool),
        torch.Generator().manual_seed(0),
    )


def images(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 1, *IMAGE_SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", range(1, 40))
@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_sizes_of_strided_convolutions_are_foreseen(size: int, kernel: int) -> None:
    conv = convolution(1, 1, kernel, stride=2, dilation=2 if kernel > 1 else 1)
    assert conv.to("meta")(torch.empty(1, 1, size, size, device="meta")).shape[-1] == strided(size, 2)


@pytest.mark.parametrize("pool", [False, True])
def test_a_stem_gives_the_shape_that_it_declares(pool: bool) -> None:
    stem = make_stem(pool=pool)
    assert stem(images()).shape == (2, 1, *stem.out_shape)
    assert stem.out_shape == stem_shape(IMAGE_SHAPE, stem.unit, pool=pool)


def test_a_stem_uses_stored_statistics_and_keeps_them() -> None:
    stem = make_stem()
    with torch.no_grad():
        stem.unit.norm.running_mean.fill_(0.25)
        stem.unit.norm.running_var.fill_(4.0)
    out = stem(images())
    raw = functional.conv2d(images().squeeze(1), stem.unit.conv.weight, stride=2, padding=1)
    torch.testing.assert_close(out.squeeze(1), functional.relu((raw - 0.25) / (4.0 + 1e-5) ** 0.5))
    assert (stem.unit.norm.running_mean == 0.25).all()
    torch.testing.assert_close(stem(images()[:1]), out[:1])


def test_a_stem_is_not_trained_and_not_modulated() -> None:
    stem = make_stem()
    assert stem.num_modulated() == 0
    assert stem.num_parameters() == 4 * 3 * 9 + 2 * 4
    assert not any(parameter.requires_grad for parameter in stem.parameters())


@pytest.mark.parametrize("pool", [False, True])
def test_a_stream_with_a_stem_of_its_own_is_one_node_that_is_trained_and_modulated(pool: bool) -> None:
    unit = ConvNorm(convolution(3, 4, 3, stride=2))
    inner = SmallBackbone(channels=(5,), resolutions=("keep",)).block(
        0, stem_shape(IMAGE_SHAPE, unit, pool=pool)
    )
    block = build(lambda: StemmedBlock(unit, inner, {}, pool=pool).to("meta"), torch.Generator())
    block.number_norms()
    assert block.num_modulated() == 4 + 5 + 5
    assert sorted(norm.offset for norm in block.norms()) == [0, 4, 9]
    assert all(parameter.requires_grad for parameter in block.parameters())
    assert block(images(), NormCall()).shape == (2, 1, *block.out_shape)


def test_activations_by_name() -> None:
    values = torch.tensor([-1.0, 3.0, 9.0])
    assert activate(values, "none").tolist() == [-1.0, 3.0, 9.0]
    assert activate(values, "relu").tolist() == [0.0, 3.0, 9.0]
    assert activate(values, "relu6").tolist() == [0.0, 3.0, 6.0]
