"""The end of the dense backbones: R-ASPP as their last layer and a separable DeepLabv3+ decoder as head."""

import torch
from torch import Tensor

from dymu.errors import SpecError, TrainingError
from dymu.networks.backbones.protocol import Block, Head, Shape
from dymu.networks.backbones.units import Activation, ConvNorm, convolution
from dymu.networks.initialise import OutputConvolution
from dymu.networks.norm import NormCall, convolve, resize
from dymu.spec.task import Task

_LOW_LEVEL_CHANNELS = 48


class ReducedAspp(Block):
    """R-ASPP: a 1x1 convolution beside one of the image's mean, joined by another; sizes stay."""

    def __init__(self, in_shape: Shape, channels: int, *, activation: Activation, final_affine: bool) -> None:
        super().__init__()
        in_channels, height, width = in_shape
        self.local = ConvNorm(convolution(in_channels, channels), activation=activation)
        self.pooled = ConvNorm(convolution(in_channels, channels), activation=activation)
        self.join = ConvNorm(convolution(2 * channels, channels), activation=activation, affine=final_affine)
        self.out_shape = (channels, height, width)

    def forward(self, features_BPCHW: Tensor, call: NormCall) -> Tensor:
        """Features (B, P, channels, H, W).

        Raises:
            TrainingError: For a single image with batch statistics, which a pooled image does not have.
        """
        if len(features_BPCHW) == 1 and call.mode in ("train", "batch", "collect") and call.peers is None:
            raise TrainingError(
                "R-ASPP normalises one pooled value per image and channel, and a batch of one image has no "
                "statistics of these; use a batch size that leaves no batch of one image, or stored ones."
            )
        local = self.local(features_BPCHW, call)
        pooled = self.pooled(features_BPCHW.mean(dim=(-2, -1), keepdim=True), call)
        out: Tensor = self.join(torch.cat([local, pooled.expand_as(local)], dim=2), call)
        return out


class SeparableDecoder(Head):
    """DeepLabv3+ with depthwise separable convolutions and one output per pixel of the image."""

    def __init__(
        self,
        in_shape: Shape,
        skip_shape: Shape,
        *,
        num_outputs: int,
        size: tuple[int, int],
        activation: Activation,
    ) -> None:
        super().__init__()
        width, joined = in_shape[0], in_shape[0] + _LOW_LEVEL_CHANNELS
        self.size, self.inner_size = size, skip_shape[1:]
        self.low_level = ConvNorm(convolution(skip_shape[0], _LOW_LEVEL_CHANNELS), activation=activation)
        self.spatial1 = ConvNorm(convolution(joined, joined, 3, depthwise=True), activation=activation)
        self.mix1 = ConvNorm(convolution(joined, width), activation=activation)
        self.spatial2 = ConvNorm(convolution(width, width, 3, depthwise=True), activation=activation)
        self.mix2 = ConvNorm(convolution(width, width), activation=activation)
        self.out = OutputConvolution(width, num_outputs, 1)

    def forward(self, features_BPCHW: Tensor, skip_BPCHW: Tensor | None, call: NormCall) -> Tensor:
        """Predictions (B, P, num_outputs, H, W) at image size."""
        assert skip_BPCHW is not None, "the backbone names a skip layer"
        features, low = resize(features_BPCHW, self.inner_size), self.low_level(skip_BPCHW, call)
        size_P = max(features.shape[1], low.shape[1])
        parts = [part.expand(-1, size_P, -1, -1, -1) for part in (low, features)]
        hidden = self.mix1(self.spatial1(torch.cat(parts, dim=2), call), call)
        hidden = self.mix2(self.spatial2(hidden, call), call)
        return resize(convolve(self.out, hidden), self.size)


def dense_head(
    owner: object,
    task: Task,
    in_shape: Shape,
    skip_shape: Shape | None,
    image_shape: Shape,
    *,
    activation: Activation,
) -> Head:
    """The decoder of a dense task.

    Raises:
        SpecError: For a classification, which has no pixels.
    """
    if task.kind == "classification":
        raise SpecError(
            f"{type(owner).__name__} has dense heads and cannot predict task {task.name!r} of kind "
            f"{task.kind!r}; use ResNet9 or SmallBackbone for classification."
        )
    assert skip_shape is not None, "the backbone names a skip layer"
    return SeparableDecoder(
        in_shape, skip_shape, num_outputs=task.num_outputs, size=image_shape[1:], activation=activation
    )
