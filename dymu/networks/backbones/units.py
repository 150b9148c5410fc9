"""Pieces that the dense backbones are made of: convolution with normalisation, and stems."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from dymu.networks.backbones.protocol import Block, Shape, Stem
from dymu.networks.norm import Norm, NormCall, convolve

Activation = Literal["relu", "relu6", "none"]
Stems = Literal["shared", "per_stream"]


class ConvNorm(nn.Module):
    """Convolution, normalisation, activation."""

    def __init__(self, conv: nn.Conv2d, *, activation: Activation = "relu", affine: bool = True) -> None:
        super().__init__()
        self.conv, self.activation = conv, activation
        self.norm = Norm(conv.out_channels, affine=affine)

    def forward(self, features_BPCHW: Tensor, call: NormCall) -> Tensor:
        """Features (B, P, channels, H', W')."""
        out: Tensor = self.norm(convolve(self.conv, features_BPCHW), call)
        return activate(out, self.activation)


class ConvStem(Stem):
    """Strided convolution and, for ResNets, a strided maximum; shared by all streams.

    It keeps its stored statistics and its numbers whatever happens around it, and nothing perturbs it.
    """

    def __init__(self, in_shape: Shape, unit: ConvNorm, names: dict[str, str], *, pool: bool = False) -> None:
        super().__init__()
        self.unit, self.pool, self.pretrained_names = unit, pool, names
        self.out_shape = stem_shape(in_shape, unit, pool=pool)
        self.requires_grad_(False)

    def forward(self, images_BPCHW: Tensor) -> Tensor:
        """Features (B, P, C, H', W')."""
        return _stem(self.unit, images_BPCHW, NormCall("running"), pool=self.pool)

    def num_modulated(self) -> int:
        """None."""
        return 0


class StemmedBlock(Block):
    """Layer 0 of a backbone whose streams have stems of their own: stem and block are one node."""

    def __init__(self, unit: ConvNorm, block: Block, names: dict[str, str], *, pool: bool = False) -> None:
        super().__init__()
        self.unit, self.pool, self.block, self.pretrained_names = unit, pool, block, names
        self.out_shape = block.out_shape

    def forward(self, features_BPCHW: Tensor, call: NormCall) -> Tensor:
        """Features of the block."""
        out: Tensor = self.block(_stem(self.unit, features_BPCHW, call, pool=self.pool), call)
        return out


def convolution(
    in_channels: int,
    channels: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    dilation: int = 1,
    depthwise: bool = False,
) -> nn.Conv2d:
    """A convolution without bias that keeps sizes, or divides them by its stride and rounds up."""
    return nn.Conv2d(
        in_channels,
        channels,
        kernel,
        stride=stride,
        padding=dilation * (kernel // 2),
        dilation=dilation,
        groups=in_channels if depthwise else 1,
        bias=False,
    )


def activate(features: Tensor, activation: Activation) -> Tensor:
    """Apply an activation by name."""
    if activation == "relu":
        return functional.relu(features)
    return functional.relu6(features) if activation == "relu6" else features


def strided(size: int, stride: int) -> int:
    """Rows or columns that a padded convolution with a stride leaves."""
    return (size + stride - 1) // stride


def stem_shape(in_shape: Shape, unit: ConvNorm, *, pool: bool) -> Shape:
    """What a stem makes of an image."""
    factor = 4 if pool else 2
    return unit.norm.num_channels, strided(in_shape[1], factor), strided(in_shape[2], factor)


def _stem(unit: ConvNorm, features_BPCHW: Tensor, call: NormCall, *, pool: bool) -> Tensor:
    out: Tensor = unit(features_BPCHW, call)
    if pool:
        pooled = functional.max_pool2d(out.flatten(0, 1), 3, stride=2, padding=1)
        out = pooled.unflatten(0, out.shape[:2])
    return out
