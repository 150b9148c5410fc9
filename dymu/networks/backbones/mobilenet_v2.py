"""MobileNetV2 with R-ASPP for dense tasks: 17 inverted residuals and R-ASPP, L = 18 (section 4.1, PASCAL).

Stages, strides and the place of the low-level features are those of BMTAS (docs/protocol.md), whose
parameter counts are those of Tables 1 and 2.
"""

from typing import Literal

from torch import Tensor

from dymu.artifacts.config import check, config
from dymu.networks.backbones.deeplab import ReducedAspp, dense_head
from dymu.networks.backbones.protocol import Block, Head, Shape, Stem
from dymu.networks.backbones.units import (
    ConvNorm,
    ConvStem,
    StemmedBlock,
    Stems,
    convolution,
    stem_shape,
    strided,
)
from dymu.networks.norm import NormCall
from dymu.networks.pretrained import PretrainedWeights
from dymu.spec.task import Task

# Expansion, output channels, blocks, stride of the first.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_PLAN = tuple(
    (expansion, channels, stride if index == 0 else 1)
    for expansion, channels, count, stride in _STAGES
    for index in range(count)
)
_LAST_STRIDED = max(layer for layer, (_, _, stride) in enumerate(_PLAN) if stride == 2)
_STEM_CHANNELS = 32
_STEM_NAMES = {"unit.conv": "features.0.0", "unit.norm": "features.0.1"}


@config
class MobileNetV2:
    """Configuration of MobileNetV2 with R-ASPP.

    Attributes:
        output_stride: Pixels of the image per pixel of the last features; 16 dilates the last three blocks.
        final_affine: Whether the last normalisation of each layer has scale and shift; without, the counts
            of Tables 1 and 2 come out.
        stems: Whether all streams share one frozen first convolution, or each trains its own in layer 0.
        aspp_channels: Width of R-ASPP and of the decoders.
        pretrained: Weights that every stream starts from; random numbers if ``None``.
    """

    output_stride: Literal[16, 32] = 16
    final_affine: bool = False
    stems: Stems = "shared"
    aspp_channels: int = 128
    pretrained: PretrainedWeights | None = None

    def __post_init__(self) -> None:
        check(self.aspp_channels > 0, self, "aspp_channels", "a positive number")

    @property
    def num_layers(self) -> int:
        """L, inverted residuals and R-ASPP."""
        return len(_PLAN) + 1

    @property
    def skip_layer(self) -> int | None:
        """The last layer at a quarter of the image's size."""
        return 2

    def stem(self, image_shape: Shape) -> Stem | None:
        """The first convolution, unless each stream has its own."""
        return ConvStem(image_shape, _stem_unit(image_shape), _STEM_NAMES) if self.stems == "shared" else None

    def block(self, layer: int, in_shape: Shape) -> Block:
        """An inverted residual, or R-ASPP behind the last of them."""
        if layer == len(_PLAN):
            return ReducedAspp(
                in_shape, self.aspp_channels, activation="relu6", final_affine=self.final_affine
            )
        if layer == 0 and self.stems == "per_stream":
            unit = _stem_unit(in_shape)
            shape = stem_shape(in_shape, unit, pool=False)
            return StemmedBlock(unit, self._inverted_residual(layer, shape), _STEM_NAMES)
        return self._inverted_residual(layer, in_shape)

    def head(self, task: Task, in_shape: Shape, skip_shape: Shape | None, image_shape: Shape) -> Head:
        """A separable DeepLabv3+ decoder.

        Raises:
            SpecError: For a classification.
        """
        return dense_head(self, task, in_shape, skip_shape, image_shape, activation="relu6")

    def _inverted_residual(self, layer: int, in_shape: Shape) -> "InvertedResidual":
        expansion, channels, stride = _PLAN[layer]
        dense = self.output_stride == 16
        return InvertedResidual(
            in_shape,
            channels,
            expansion=expansion,
            stride=1 if dense and layer == _LAST_STRIDED else stride,
            dilation=2 if dense and layer > _LAST_STRIDED else 1,
            final_affine=self.final_affine,
            file_prefix=f"features.{layer + 1}.conv",
        )


class InvertedResidual(Block):
    """1x1 to more channels, 3x3 on each, 1x1 back without activation; plus the input where it fits."""

    def __init__(
        self,
        in_shape: Shape,
        channels: int,
        *,
        expansion: int,
        stride: int,
        dilation: int,
        final_affine: bool,
        file_prefix: str,
    ) -> None:
        super().__init__()
        in_channels, height, width = in_shape
        hidden = expansion * in_channels
        expand = ConvNorm(convolution(in_channels, hidden), activation="relu6")
        spatial = convolution(hidden, hidden, 3, stride=stride, dilation=dilation, depthwise=True)
        self.expand = expand if expansion > 1 else None
        self.spatial = ConvNorm(spatial, activation="relu6")
        self.project = ConvNorm(convolution(hidden, channels), activation="none", affine=final_affine)
        self.out_shape = (channels, strided(height, stride), strided(width, stride))
        self.residual = self.out_shape == in_shape and stride == 1
        self.pretrained_names = _file_names(file_prefix, expands=expansion > 1)

    def forward(self, features_BPCHW: Tensor, call: NormCall) -> Tensor:
        """Features (B, P, channels, H', W')."""
        hidden = features_BPCHW if self.expand is None else self.expand(features_BPCHW, call)
        out: Tensor = self.project(self.spatial(hidden, call), call)
        return out + features_BPCHW if self.residual else out


def _file_names(prefix: str, *, expands: bool) -> dict[str, str]:
    """Modules of an inverted residual by name, and what torchvision calls them."""
    spatial = 1 if expands else 0
    names = {
        "spatial.conv": f"{prefix}.{spatial}.0",
        "spatial.norm": f"{prefix}.{spatial}.1",
        "project.conv": f"{prefix}.{spatial + 1}",
        "project.norm": f"{prefix}.{spatial + 2}",
    }
    return {"expand.conv": f"{prefix}.0.0", "expand.norm": f"{prefix}.0.1", **names} if expands else names


def _stem_unit(image_shape: Shape) -> ConvNorm:
    return ConvNorm(convolution(image_shape[0], _STEM_CHANNELS, 3, stride=2), activation="relu6")
