"""A small convolutional backbone for studies that run on a CPU in minutes.

Five blocks of two 3x3 convolutions by default; about 40 thousand parameters a stream.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dymu.artifacts.config import check, config
from dymu.networks.backbones.protocol import Block, Head, Shape
from dymu.networks.norm import Norm, NormCall, convolve, resize
from dymu.spec.task import Task

Resolution = Literal["keep", "halve", "double"]


@config
class SmallBackbone:
    """Configuration of the small backbone.

    Attributes:
        channels: Output channels of each block; its length is L.
        resolutions: What each block does to height and width.
        head_channels: Width of the dense heads' hidden layer.
        skip_layer: Layer whose features the dense heads read beside the last; ``None`` for none.
        final_affine: Whether the last normalisation of a block has scale and shift.
    """

    channels: tuple[int, ...] = (8, 16, 16, 32, 32)
    resolutions: tuple[Resolution, ...] = ("keep", "halve", "keep", "keep", "halve")
    head_channels: int = 16
    skip_layer: int | None = None
    final_affine: bool = True

    def __post_init__(self) -> None:
        check(len(self.channels) >= 1, self, "channels", "one number of channels per block")
        check(all(count > 0 for count in self.channels), self, "channels", "positive numbers")
        check(
            len(self.resolutions) == len(self.channels),
            self,
            "resolutions",
            f"{len(self.channels)} entries, one per block",
        )
        check(self.head_channels > 0, self, "head_channels", "a positive number")
        check(
            self.skip_layer is None or 0 <= self.skip_layer < len(self.channels),
            self,
            "skip_layer",
            f"None or a layer from 0 to {len(self.channels) - 1}",
        )

    @property
    def num_layers(self) -> int:
        """L."""
        return len(self.channels)

    @property
    def pretrained(self) -> None:
        """Nobody trained it before."""

    def stem(self, image_shape: Shape) -> None:
        """Streams read the image."""

    def block(self, layer: int, in_shape: Shape) -> Block:
        """Two convolutions, with a residual connection where the shapes allow it."""
        return SmallBlock(
            in_shape, self.channels[layer], resolution=self.resolutions[layer], final_affine=self.final_affine
        )

    def head(self, task: Task, in_shape: Shape, skip_shape: Shape | None, image_shape: Shape) -> Head:
        """A linear classifier on all features, or a small dense decoder."""
        if task.kind == "classification":
            return LinearHead(in_shape, task.num_outputs)
        return DenseHead(
            in_shape,
            skip_shape,
            hidden=self.head_channels,
            num_outputs=task.num_outputs,
            size=image_shape[1:],
        )


class SmallBlock(Block):
    """conv-norm-ReLU-conv-norm(+input)-ReLU."""

    def __init__(self, in_shape: Shape, channels: int, *, resolution: Resolution, final_affine: bool) -> None:
        super().__init__()
        in_channels, height, width = in_shape
        stride = 2 if resolution == "halve" else 1
        if resolution == "halve":
            height, width = (height + 1) // 2, (width + 1) // 2
        elif resolution == "double":
            height, width = 2 * height, 2 * width
        self.size = (height, width)
        self.upsample = resolution == "double"
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.norm1 = Norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = Norm(channels, affine=final_affine)
        self.out_shape = (channels, height, width)
        self.residual = self.out_shape == in_shape

    def forward(self, features_BPCHW: Tensor, call: NormCall) -> Tensor:
        """Features (B, P, channels, H', W')."""
        if self.upsample:
            features_BPCHW = resize(features_BPCHW, self.size)
        hidden = functional.relu(self.norm1(convolve(self.conv1, features_BPCHW), call))
        out: Tensor = self.norm2(convolve(self.conv2, hidden), call)
        return functional.relu(out + features_BPCHW if self.residual else out)


class LinearHead(Head):
    """Logits from all features."""

    def __init__(self, in_shape: Shape, num_outputs: int) -> None:
        super().__init__()
        channels, height, width = in_shape
        self.linear = nn.Linear(channels * height * width, num_outputs)

    def forward(self, features_BPCHW: Tensor, skip_BPCHW: Tensor | None, call: NormCall) -> Tensor:  # noqa: ARG002
        """Logits (B, P, num_outputs)."""
        out: Tensor = self.linear(features_BPCHW.flatten(2))
        return out


class DenseHead(Head):
    """A 3x3 convolution on the last (and the skip layer's) features, 1x1, then bilinear to the image size."""

    def __init__(
        self,
        in_shape: Shape,
        skip_shape: Shape | None,
        *,
        hidden: int,
        num_outputs: int,
        size: tuple[int, int],
    ) -> None:
        super().__init__()
        self.size = size
        self.inner_size = skip_shape[1:] if skip_shape else in_shape[1:]
        in_channels = in_shape[0] + (skip_shape[0] if skip_shape else 0)
        self.conv = nn.Conv2d(in_channels, hidden, 3, padding=1, bias=False)
        self.norm = Norm(hidden)
        self.out = nn.Conv2d(hidden, num_outputs, 1)

    def forward(self, features_BPCHW: Tensor, skip_BPCHW: Tensor | None, call: NormCall) -> Tensor:
        """Predictions (B, P, num_outputs, H, W) at image size."""
        features = resize(features_BPCHW, self.inner_size)
        if skip_BPCHW is not None:
            features = _join(features, skip_BPCHW)
        hidden = functional.relu(self.norm(convolve(self.conv, features), call))
        return resize(convolve(self.out, hidden), self.size)


def _join(features_BPCHW: Tensor, skip_BPCHW: Tensor) -> Tensor:
    size_P = max(features_BPCHW.shape[1], skip_BPCHW.shape[1])
    parts = [part.expand(-1, size_P, -1, -1, -1) for part in (features_BPCHW, skip_BPCHW)]
    return torch.cat(parts, dim=2)
