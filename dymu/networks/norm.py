"""Batch normalisation for several preferences at once.

Features of P preferences lie side by side, (B, P, C, H, W): a convolution sees B*P images and a
normalisation B images of P*C channels, both without a copy. Each preference has its own statistics and may
have its own perturbation of scale and shift (section 3.3.2).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dymu.networks.batch_statistics import Peers, batch_statistics, normalise

# train:   batch statistics, and the running ones are updated (by the mean over what lies side by side)
# batch:   batch statistics
# running: the running statistics of the anchor
# collect: batch statistics, added to the call's memory
# replay:  mean of the statistics that earlier calls collected
NormMode = Literal["train", "batch", "running", "collect", "replay"]


@dataclass
class Moments:
    """Statistics of a normalisation over a number of batches.

    Attributes:
        mean_sum: Sum of the batches' means, (P*C,).
        variance_sum: Sum of the batches' variances, (P*C,).
        count: Batches.
    """

    mean_sum: Tensor
    variance_sum: Tensor
    count: int = 1

    def add(self, mean: Tensor, variance: Tensor) -> None:
        """Add the statistics of one more batch."""
        self.mean_sum = self.mean_sum + mean
        self.variance_sum = self.variance_sum + variance
        self.count += 1


@dataclass
class NormCall:
    """How the normalisations of one node behave in one call.

    Attributes:
        mode: Whose statistics are used.
        scale_PD: Perturbations of the scales of the node's D affine channels, or ``None``.
        shift_PD: Perturbations of the shifts.
        memory: Statistics by position of the normalisation within its node (modes collect and replay).
        peers: Ranks that hold the other pieces of the batch (modes train and batch), if there are any.
    """

    mode: NormMode = "batch"
    scale_PD: Tensor | None = None
    shift_PD: Tensor | None = None
    memory: dict[int, Moments] = field(default_factory=dict)
    peers: Peers | None = None


class Norm(nn.Module):
    """Batch normalisation with optional per-preference perturbation.

    Attributes:
        offset: First of this normalisation's channels among its node's affine channels.
        position: Position among the node's normalisations.
    """

    offset: int
    position: int
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self, num_channels: int, *, affine: bool = True, eps: float = 1e-5, momentum: float = 0.1
    ) -> None:
        super().__init__()
        self.num_channels, self.affine, self.eps, self.momentum = num_channels, affine, eps, momentum
        self.weight = nn.Parameter(torch.empty(num_channels)) if affine else None
        self.bias = nn.Parameter(torch.empty(num_channels)) if affine else None
        self.register_buffer("running_mean", torch.empty(num_channels))
        self.register_buffer("running_var", torch.empty(num_channels))
        self.offset, self.position = 0, 0

    def forward(self, features_BPCHW: Tensor, call: NormCall) -> Tensor:
        """Normalise; the shape is kept."""
        size_B, size_P, size_C, *rest = features_BPCHW.shape
        flat = features_BPCHW.reshape(size_B, size_P * size_C, *rest)
        weight, bias = self._affine(size_P, call)
        if call.peers is not None and call.peers.size > 1 and call.mode != "running":
            return self._with_peers(flat, weight, bias, call, call.peers).reshape(features_BPCHW.shape)
        if call.mode == "train":
            out = self._train(flat, size_P, weight, bias)
        elif call.mode in ("batch", "collect"):
            if call.mode == "collect":
                self._collect(flat, call)
            out = functional.batch_norm(flat, None, None, weight, bias, True, 0.0, self.eps)
        else:
            mean, variance = self._stored(size_P, call)
            out = functional.batch_norm(flat, mean, variance, weight, bias, False, 0.0, self.eps)
        return out.reshape(features_BPCHW.shape)

    def _affine(self, size_P: int, call: NormCall) -> tuple[Tensor | None, Tensor | None]:
        if self.weight is None or self.bias is None:
            return None, None
        if call.scale_PD is None or call.shift_PD is None:
            return self.weight.repeat(size_P), self.bias.repeat(size_P)
        mine = slice(self.offset, self.offset + self.num_channels)
        return (self.weight + call.scale_PD[:, mine]).flatten(), (
            self.bias + call.shift_PD[:, mine]
        ).flatten()

    def _train(self, flat: Tensor, size_P: int, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        if size_P == 1:
            return functional.batch_norm(
                flat, self.running_mean, self.running_var, weight, bias, True, self.momentum, self.eps
            )
        mean, variance = self.running_mean.repeat(size_P), self.running_var.repeat(size_P)
        out = functional.batch_norm(flat, mean, variance, weight, bias, True, self.momentum, self.eps)
        self.running_mean.copy_(mean.unflatten(0, (size_P, -1)).mean(dim=0))
        self.running_var.copy_(variance.unflatten(0, (size_P, -1)).mean(dim=0))
        return out

    def _with_peers(
        self, flat: Tensor, weight: Tensor | None, bias: Tensor | None, call: NormCall, peers: Peers
    ) -> Tensor:
        assert call.mode in ("train", "batch"), f"statistics of mode {call.mode} are those of one process"
        statistics = batch_statistics(flat, peers)
        if call.mode == "train":
            unbiased = statistics.variance * (statistics.count / (statistics.count - 1))
            with torch.no_grad():
                for running, values in ((self.running_mean, statistics.mean), (self.running_var, unbiased)):
                    value = values.unflatten(0, (-1, self.num_channels)).mean(dim=0)
                    running.mul_(1.0 - self.momentum).add_(value, alpha=self.momentum)
        return normalise(flat, weight, bias, statistics, self.eps, peers)

    def _collect(self, flat: Tensor, call: NormCall) -> None:
        over = [0, *range(2, flat.dim())]
        variance, mean = torch.var_mean(flat.detach(), dim=over, correction=1)
        if self.position in call.memory:
            call.memory[self.position].add(mean, variance)
        else:
            call.memory[self.position] = Moments(mean, variance)

    def _stored(self, size_P: int, call: NormCall) -> tuple[Tensor, Tensor]:
        if call.mode == "running":
            return self.running_mean.repeat(size_P), self.running_var.repeat(size_P)
        moments = call.memory[self.position]
        return moments.mean_sum / moments.count, moments.variance_sum / moments.count


class Node(nn.Module):
    """A block or a head: a piece of network that runs or does not run as a whole.

    Attributes:
        pretrained_names: What files of pretrained weights call the node's modules, by their names here.
    """

    pretrained_names: Mapping[str, str] = MappingProxyType({})

    def number_norms(self) -> None:
        """Give every normalisation its position and the offset of its channels; the anchor net calls this."""
        offset = 0
        for position, norm in enumerate(self.norms()):
            norm.position, norm.offset = position, offset
            offset += norm.num_channels if norm.affine else 0

    def norms(self) -> Iterator[Norm]:
        """The node's normalisations in order."""
        return (module for module in self.modules() if isinstance(module, Norm))

    def num_modulated(self) -> int:
        """Channels D whose scale and shift the weight hypernet may perturb."""
        return sum(norm.num_channels for norm in self.norms() if norm.affine)

    def num_parameters(self) -> int:
        """Trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters())


def convolve(conv: nn.Conv2d, features_BPCHW: Tensor) -> Tensor:
    """Apply a convolution to every preference's features."""
    size_B, size_P = features_BPCHW.shape[:2]
    return conv(features_BPCHW.flatten(0, 1)).unflatten(0, (size_B, size_P))


def resize(features_BPCHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear resizing to (H, W)."""
    if tuple(features_BPCHW.shape[-2:]) == size:
        return features_BPCHW
    leading = features_BPCHW.shape[:2]
    out = functional.interpolate(
        features_BPCHW.flatten(0, 1), size=size, mode="bilinear", align_corners=False
    )
    return out.unflatten(0, leading)
