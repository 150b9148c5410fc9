"""ResNet-9 for 32x32 images: eight convolutions, each a branchable layer (section 4.1, CIFAR-100).

The network is that of the DAWNBench entry: two plain convolutions, two residual pairs and two more plain
ones, pooling three times, a global maximum and a linear head whose logits are scaled down. The first
convolution of a pair hands its input on beside its output, so that the second can add it: the residual
follows the path that the features take through the tree.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dymu.artifacts.config import check, config
from dymu.errors import SpecError
from dymu.networks.backbones.protocol import Block, Head, Shape
from dymu.networks.norm import Norm, NormCall, convolve
from dymu.spec.task import Task

Pooling = Literal["after_relu", "before_norm"]

# What each layer does, and its output channels in units of the width.
_ROLES = ("plain", "pool", "open", "close", "pool", "pool", "open", "close")
_WIDTHS = (1, 2, 2, 2, 4, 8, 8, 8)
_SMALLEST = 8  # pixels that three poolings halve to one


@config
class ResNet9:
    """Configuration of ResNet-9.

    Attributes:
        width: Channels of the first convolution; the last has eight times as many. The paper does not say
            (docs/protocol.md): 64 is the published network, 6.57 million parameters with a five-way head.
        pooling: Whether 2x2 maxima are taken after the ReLU or between convolution and normalisation.
        logit_scale: Factor of the logits, as in the published network.
    """

    width: int = 64
    pooling: Pooling = "after_relu"
    logit_scale: float = 0.125

    def __post_init__(self) -> None:
        check(self.width > 0, self, "width", "a positive number")
        check(self.logit_scale > 0, self, "logit_scale", "a positive number")

    @property
    def num_layers(self) -> int:
        """L, one per convolution."""
        return len(_ROLES)

    @property
    def skip_layer(self) -> int | None:
        """None: linear heads read the last layer alone."""
        return None

    @property
    def pretrained(self) -> None:
        """Nobody trained it before."""

    def stem(self, image_shape: Shape) -> None:
        """Streams read the image."""

    def block(self, layer: int, in_shape: Shape) -> Block:
        """One 3x3 convolution with normalisation and ReLU, with the role of its layer.

        Raises:
            SpecError: If the image is too small for three poolings.
        """
        if layer == 0 and min(in_shape[1:]) < _SMALLEST:
            raise SpecError(
                f"ResNet9 halves its input three times, but the images are {in_shape[1]}x{in_shape[2]}; use "
                f"images of at least {_SMALLEST}x{_SMALLEST} pixels or a smaller backbone."
            )
        role, channels = _ROLES[layer], self.width * _WIDTHS[layer]
        if role == "open":
            return PairOpening(in_shape, channels)
        if role == "close":
            return PairClosing(in_shape, channels)
        return PlainConvolution(in_shape, channels, pooling=self.pooling if role == "pool" else None)

    def head(self, task: Task, in_shape: Shape, skip_shape: Shape | None, image_shape: Shape) -> Head:  # noqa: ARG002
        """Global maximum and a linear classifier.

        Raises:
            SpecError: If the task is not a classification.
        """
        if task.kind != "classification":
            raise SpecError(
                f"ResNet9 has linear heads and cannot predict task {task.name!r} of kind {task.kind!r}; use "
                "MobileNetV2, ResNet34 or SmallBackbone for dense tasks."
            )
        return ScaledLinearHead(in_shape[0], task.num_outputs, scale=self.logit_scale)


class PlainConvolution(Block):
    """conv-norm-ReLU, with a 2x2 maximum if asked for."""

    def __init__(self, in_shape: Shape, channels: int, *, pooling: Pooling | None) -> None:
        super().__init__()
        in_channels, height, width = in_shape
        self.pooling = pooling
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.norm = Norm(channels)
        self.out_shape = (channels, height, width) if pooling is None else (channels, height // 2, width // 2)

    def forward(self, features_BPCHW: Tensor, call: NormCall) -> Tensor:
        """Features (B, P, channels, H', W')."""
        hidden = convolve(self.conv, features_BPCHW)
        if self.pooling == "before_norm":
            hidden = _halve(hidden)
        out = functional.relu(self.norm(hidden, call))
        return _halve(out) if self.pooling == "after_relu" else out


class PairOpening(Block):
    """First of a residual pair: its input and conv-norm-ReLU of it, one behind the other in channels."""

    def __init__(self, in_shape: Shape, channels: int) -> None:
        super().__init__()
        in_channels, height, width = in_shape
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.norm = Norm(channels)
        self.out_shape = (in_channels + channels, height, width)

    def forward(self, features_BPCHW: Tensor, call: NormCall) -> Tensor:
        """Features (B, P, in_channels + channels, H, W)."""
        hidden = functional.relu(self.norm(convolve(self.conv, features_BPCHW), call))
        return torch.cat([features_BPCHW, hidden], dim=2)


class PairClosing(Block):
    """Second of a residual pair: conv-norm-ReLU of the opening's output, plus the opening's input."""

    def __init__(self, in_shape: Shape, channels: int) -> None:
        super().__init__()
        carried_and_hidden, height, width = in_shape
        self.channels = channels
        self.conv = nn.Conv2d(carried_and_hidden - channels, channels, 3, padding=1, bias=False)
        self.norm = Norm(channels)
        self.out_shape = (channels, height, width)

    def forward(self, features_BPCHW: Tensor, call: NormCall) -> Tensor:
        """Features (B, P, channels, H, W)."""
        carried, hidden = features_BPCHW[:, :, : self.channels], features_BPCHW[:, :, self.channels :]
        return carried + functional.relu(self.norm(convolve(self.conv, hidden), call))


class ScaledLinearHead(Head):
    """Logits from the maximum of each channel."""

    def __init__(self, in_channels: int, num_outputs: int, *, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.linear = nn.Linear(in_channels, num_outputs)

    def forward(self, features_BPCHW: Tensor, skip_BPCHW: Tensor | None, call: NormCall) -> Tensor:  # noqa: ARG002
        """Logits (B, P, num_outputs)."""
        out: Tensor = self.linear(features_BPCHW.amax(dim=(-2, -1)))
        return out * self.scale


def _halve(features_BPCHW: Tensor) -> Tensor:
    out = functional.max_pool2d(features_BPCHW.flatten(0, 1), 2)
    return out.unflatten(0, features_BPCHW.shape[:2])
