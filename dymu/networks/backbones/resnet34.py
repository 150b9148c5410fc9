"""ResNet-34 with R-ASPP for dense tasks: 16 basic blocks and R-ASPP, L = 17 (section 4.1, NYU-v2)."""

from typing import Literal

from torch import Tensor
from torch.nn import functional

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

_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # output channels, blocks
_PLAN = tuple((stage, index) for stage, (_, count) in enumerate(_STAGES) for index in range(count))
_LAST_STAGE = len(_STAGES) - 1
_STEM_CHANNELS = 64
_STEM_NAMES = {"unit.conv": "conv1", "unit.norm": "bn1"}


@config
class ResNet34:
    """Configuration of ResNet-34 with R-ASPP.

    Attributes:
        output_stride: Pixels of the image per pixel of the last features; 16 dilates the last three blocks.
        final_affine: Whether the last normalisation of each layer has scale and shift; with them, the counts
            of Table 3 come out.
        stems: Whether all streams share one frozen stem, or each trains its own in layer 0.
        aspp_channels: Width of R-ASPP and of the decoders.
        pretrained: Weights that every stream starts from; random numbers if ``None``.
    """

    output_stride: Literal[16, 32] = 32
    final_affine: bool = True
    stems: Stems = "shared"
    aspp_channels: int = 128
    pretrained: PretrainedWeights | None = None

    def __post_init__(self) -> None:
        check(self.aspp_channels > 0, self, "aspp_channels", "a positive number")

    @property
    def num_layers(self) -> int:
        """L, basic blocks and R-ASPP."""
        return len(_PLAN) + 1

    @property
    def skip_layer(self) -> int | None:
        """The last layer at a quarter of the image's size."""
        return 2

    def stem(self, image_shape: Shape) -> Stem | None:
        """Convolution and maximum before the first stage, unless each stream has its own."""
        if self.stems == "per_stream":
            return None
        return ConvStem(image_shape, _stem_unit(image_shape), _STEM_NAMES, pool=True)

    def block(self, layer: int, in_shape: Shape) -> Block:
        """A basic block, or R-ASPP behind the last of them."""
        if layer == len(_PLAN):
            return ReducedAspp(
                in_shape, self.aspp_channels, activation="relu", final_affine=self.final_affine
            )
        if layer == 0 and self.stems == "per_stream":
            unit = _stem_unit(in_shape)
            inner = self._basic_block(layer, stem_shape(in_shape, unit, pool=True))
            return StemmedBlock(unit, inner, _STEM_NAMES, pool=True)
        return self._basic_block(layer, in_shape)

    def head(self, task: Task, in_shape: Shape, skip_shape: Shape | None, image_shape: Shape) -> Head:
        """A separable DeepLabv3+ decoder.

        Raises:
            SpecError: For a classification.
        """
        return dense_head(self, task, in_shape, skip_shape, image_shape, activation="relu")

    def _basic_block(self, layer: int, in_shape: Shape) -> "BasicBlock":
        stage, index = _PLAN[layer]
        dilated = self.output_stride == 16 and stage == _LAST_STAGE
        strides = stage > 0 and index == 0 and not dilated
        return BasicBlock(
            in_shape,
            _STAGES[stage][0],
            stride=2 if strides else 1,
            # The stride that dilation replaces lies in the first convolution of the stage.
            dilations=(2 if dilated and index > 0 else 1, 2 if dilated else 1),
            final_affine=self.final_affine,
            file_prefix=f"layer{stage + 1}.{index}",
        )


class BasicBlock(Block):
    """conv-norm-ReLU-conv-norm, plus the input (projected where the shapes differ), ReLU."""

    def __init__(
        self,
        in_shape: Shape,
        channels: int,
        *,
        stride: int,
        dilations: tuple[int, int],
        final_affine: bool,
        file_prefix: str,
    ) -> None:
        super().__init__()
        in_channels, height, width = in_shape
        first = convolution(in_channels, channels, 3, stride=stride, dilation=dilations[0])
        self.first = ConvNorm(first)
        second = convolution(channels, channels, 3, dilation=dilations[1])
        self.second = ConvNorm(second, activation="none", affine=final_affine)
        self.out_shape = (channels, strided(height, stride), strided(width, stride))
        self.pretrained_names = {
            "first.conv": f"{file_prefix}.conv1",
            "first.norm": f"{file_prefix}.bn1",
            "second.conv": f"{file_prefix}.conv2",
            "second.norm": f"{file_prefix}.bn2",
        }
        self.project: ConvNorm | None = None
        if stride != 1 or in_channels != channels:
            self.project = ConvNorm(convolution(in_channels, channels, stride=stride), activation="none")
            self.pretrained_names |= {
                "project.conv": f"{file_prefix}.downsample.0",
                "project.norm": f"{file_prefix}.downsample.1",
            }

    def forward(self, features_BPCHW: Tensor, call: NormCall) -> Tensor:
        """Features (B, P, channels, H', W')."""
        kept = features_BPCHW if self.project is None else self.project(features_BPCHW, call)
        return functional.relu(self.second(self.first(features_BPCHW, call), call) + kept)


def _stem_unit(image_shape: Shape) -> ConvNorm:
    return ConvNorm(convolution(image_shape[0], _STEM_CHANNELS, 7, stride=2))
