"""A node of a predicted network: shared weights, and scales, shifts and statistics of its own."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from dymu.networks.norm import Moments, Node, NormCall

BoundMode = Literal["batch", "collect", "replay"]
Memory = dict[int, Moments]  # by position of the normalisation


class BoundNode(nn.Module):
    """A node with scales and shifts of its own.

    Args:
        part: The node without numbers for its normalisations; shared.
        channels: Where the channels of each normalisation lie among those of the node, by position.
        affine: Scales and shifts (D,) of all affine channels.
        stored: Means and variances (1, C) of all channels, if there are any.

    Attributes:
        scale: (D,) or ``None`` for a node without affine channels.
        shift: As ``scale``.
        mean: (U, C) stored means for each of U images that pass through side by side, or ``None``.
        variance: As ``mean``.
    """

    mean: Tensor | None
    variance: Tensor | None

    def __init__(
        self,
        part: Node,
        channels: Mapping[int, slice],
        affine: tuple[Tensor, Tensor],
        stored: tuple[Tensor, Tensor] | None,
    ) -> None:
        super().__init__()
        self.training = False
        self.part, self._channels = part, channels
        has_affine = affine[0].shape[0] > 0
        self.scale = nn.Parameter(affine[0], requires_grad=False) if has_affine else None
        self.shift = nn.Parameter(affine[1], requires_grad=False) if has_affine else None
        self.register_buffer("mean", None if stored is None else stored[0])
        self.register_buffer("variance", None if stored is None else stored[1])

    def call(self, mode: BoundMode, collected: Memory) -> NormCall:
        """How its normalisations behave in one call."""
        if mode == "replay" and self.mean is not None and self.variance is not None:
            collected = {
                position: Moments(self.mean[:, mine].flatten(), self.variance[:, mine].flatten())
                for position, mine in self._channels.items()
            }
        if self.scale is None or self.shift is None:
            return NormCall(mode, memory=collected)
        return NormCall(mode, self.scale.unsqueeze(0), self.shift.unsqueeze(0), collected)

    def store(self, collected: Memory) -> None:
        """Keep the statistics that were collected, averaged over the batches."""
        if not self._channels:
            return
        mean, variance = [], []
        for position, mine in self._channels.items():
            moments = collected[position]
            sizes = (-1, mine.stop - mine.start)
            mean.append((moments.mean_sum / moments.count).unflatten(0, sizes))
            variance.append((moments.variance_sum / moments.count).unflatten(0, sizes))
        self.mean, self.variance = torch.cat(mean, dim=1), torch.cat(variance, dim=1)
