"""Batch normalisation over a batch that several ranks hold in pieces.

Each rank tells mean, squared deviations and count of its piece; all ranks combine them in the order of the
ranks, in double precision, and so get the statistics of the whole batch and the same bits everywhere. The
backward pass exchanges its two sums per channel in the same way. Pieces may differ in length and may hold one
image only. (``torch.nn.SyncBatchNorm`` runs on CUDA alone and knows no preferences.)
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


class Peers(Protocol):
    """The ranks that hold the pieces of a batch."""

    @property
    def size(self) -> int:
        """How many there are."""

    def gather(self, tensor: Tensor) -> Tensor:
        """(W, ...) the tensor of every rank, in their order; called equally often on all of them."""


@dataclass(frozen=True)
class BatchStatistics:
    """Statistics of a whole batch, per channel.

    Attributes:
        mean: (C,) float64.
        variance: (C,) float64, divided by the count.
        count: Scalar float64, values per channel over all ranks.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor


@torch.no_grad()
def batch_statistics(features: Tensor, peers: Peers) -> BatchStatistics:
    """Statistics of the batch whose piece on this rank is ``features`` (B, C, ...)."""
    variance, mean = torch.var_mean(_at_least_single(features), dim=_over(features), correction=0)
    count = features.numel() // features.shape[1]
    mine = torch.stack([mean, variance, torch.full_like(mean, count)]).to(torch.float64)
    mean_WC, variance_WC, count_WC = peers.gather(mine).unbind(1)
    total = in_order(count_WC)
    mean = in_order(count_WC * mean_WC) / total
    squares = in_order(count_WC * (variance_WC + (mean_WC - mean) ** 2))
    return BatchStatistics(mean, squares / total, total[0])


def normalise(
    features: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    statistics: BatchStatistics,
    eps: float,
    peers: Peers,
) -> Tensor:
    """Normalise this rank's piece by the statistics of the whole batch; differentiable through both.

    The gradients of ``weight`` and ``bias`` are those of this piece alone: the ranks' gradients of parameters
    are added elsewhere.

    Args:
        features: (B, C, ...) piece of this rank.
        weight: (C,) or ``None``.
        bias: (C,) or ``None``.
        statistics: Of the whole batch.
        eps: Added to the variance.
        peers: The ranks; all of them must call this, and its backward pass, in the same order.
    """
    out: Tensor = _Normalise.apply(  # type: ignore[no-untyped-call]
        features, weight, bias, statistics, eps, peers
    )
    return out


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        statistics: BatchStatistics,
        eps: float,
        peers: Peers,
    ) -> Tensor:
        scale = 1.0 / torch.sqrt(statistics.variance + eps)
        slope = scale if weight is None else scale * weight
        offset = -statistics.mean * slope
        if bias is not None:
            offset = offset + bias
        ctx.save_for_backward(features, weight)
        ctx.statistics, ctx.scale, ctx.peers = statistics, scale, peers
        ctx.bias_dtype = None if bias is None else bias.dtype
        return _linear(_at_least_single(features), slope, offset).to(features.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        kept, weight = ctx.saved_tensors
        features, grad = _at_least_single(kept), _at_least_single(grads[0])
        statistics, scale_C = ctx.statistics, ctx.scale
        over = _over(features)
        centred = features - _per_channel(statistics.mean, features)
        sum_C = grad.sum(dim=over, dtype=torch.float64)
        product_C = (grad * centred).sum(dim=over, dtype=torch.float64) * scale_C
        grad_features = None
        if ctx.needs_input_grad[0]:
            all_W2C = ctx.peers.gather(torch.stack([sum_C, product_C]))
            whole_sum_C, whole_product_C = in_order(all_W2C) / statistics.count
            slope_C = scale_C if weight is None else scale_C * weight
            pull_C = whole_product_C * scale_C
            grad_features = grad - centred * _per_channel(pull_C, features)
            grad_features = _linear(grad_features, slope_C, -slope_C * whole_sum_C).to(kept.dtype)
        grad_weight = product_C.to(weight.dtype) if weight is not None else None
        grad_bias = None if ctx.bias_dtype is None else sum_C.to(ctx.bias_dtype)
        return grad_features, grad_weight, grad_bias, None, None, None


def in_order(parts_W: Tensor) -> Tensor:
    """Sum over the first axis, one after another: the same bits on every rank."""
    first, *others = parts_W
    for part in others:
        first = first + part
    return first


def _at_least_single(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor


def _over(features: Tensor) -> list[int]:
    return [0, *range(2, features.dim())]


def _per_channel(values_C: Tensor, features: Tensor) -> Tensor:
    return values_C.to(features.dtype).reshape(1, -1, *[1] * (features.dim() - 2))


def _linear(features: Tensor, slope_C: Tensor, offset_C: Tensor) -> Tensor:
    return features * _per_channel(slope_C, features) + _per_channel(offset_C, features)
