"""Task affinity by representational similarity analysis (Appendix D, Eqs. 7 and 8).

Letters: N tasks, L layers, K instances.
"""

from typing import Literal

import torch
from torch import Tensor

# row:       each row of the dissimilarity to [0, 1] by itself, as printed; not symmetric
# global:    one scale for the whole matrix of a layer
# symmetric: mean of the row-wise matrix and its transpose
AffinityScale = Literal["row", "global", "symmetric"]


def similarity(features_NKD: Tensor) -> Tensor:
    """Eq. 7: cosine similarity of every pair of instances, (N, K, K), for one layer."""
    unit = torch.nn.functional.normalize(features_NKD.to(torch.float64), dim=-1)
    return unit @ unit.transpose(1, 2)


def dissimilarity(similarity_NKK: Tensor) -> Tensor:
    """Eq. 8: Frobenius distance between the tasks' similarity matrices, (N, N)."""
    gap = similarity_NKK[:, None] - similarity_NKK[None, :]
    return gap.square().sum(dim=(-1, -2)).sqrt()


def layer_affinity(dissimilarity_NN: Tensor, scale: AffinityScale) -> Tensor:
    """One minus the dissimilarity scaled to [0, 1], (N, N)."""
    if scale == "global":
        return 1.0 - _to_unit(dissimilarity_NN, dim=None)
    by_row = 1.0 - _to_unit(dissimilarity_NN, dim=1)
    return by_row if scale == "row" else (by_row + by_row.T) / 2


def task_affinity(similarity_LNKK: Tensor, scale: AffinityScale = "row") -> Tensor:
    """Mean of the layers' affinities, (N, N).

    With N = 2 and ``row`` every off-diagonal entry is 0, because a row's only other entry is its largest.
    """
    return torch.stack([layer_affinity(dissimilarity(layer), scale) for layer in similarity_LNKK]).mean(dim=0)


def _to_unit(values_NN: Tensor, dim: int | None) -> Tensor:
    if dim is None:
        low, high = values_NN.min(), values_NN.max()
    else:
        low, high = values_NN.amin(dim, keepdim=True), values_NN.amax(dim, keepdim=True)
    span = high - low
    return torch.where(span > 0, (values_NN - low) / torch.where(span > 0, span, 1.0), 0.0)
