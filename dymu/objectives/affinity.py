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
    """Eq. 7: cosine similarity of every pair of instances, for one layer.

    Args:
        features_NKD: Features of K instances by the net of each task, flattened to D.

    Returns:
        (N, K, K) in float64; an instance whose features are all zero is similar to none.
    """
    unit = torch.nn.functional.normalize(features_NKD.to(torch.float64), dim=-1)
    return unit @ unit.transpose(1, 2)


def dissimilarity(similarity_NKK: Tensor) -> Tensor:
    """Eq. 8: Frobenius distance between the tasks' similarity matrices.

    Args:
        similarity_NKK: One layer's, by :func:`similarity`.

    Returns:
        (N, N), symmetric, zero on the diagonal.
    """
    gap = similarity_NKK[:, None] - similarity_NKK[None, :]
    return gap.square().sum(dim=(-1, -2)).sqrt()


def layer_affinity(dissimilarity_NN: Tensor, scale: AffinityScale) -> Tensor:
    """One minus the dissimilarity scaled to [0, 1] (Appendix D).

    Args:
        dissimilarity_NN: One layer's, by :func:`dissimilarity`.
        scale: What is scaled: each row, the whole matrix, or each row with the mean of both directions.

    Returns:
        (N, N), one on the diagonal.
    """
    if scale == "global":
        return 1.0 - _to_unit(dissimilarity_NN, dim=None)
    by_row = 1.0 - _to_unit(dissimilarity_NN, dim=1)
    return by_row if scale == "row" else (by_row + by_row.T) / 2


def task_affinity(similarity_LNKK: Tensor, scale: AffinityScale = "row") -> Tensor:
    """Mean of the layers' affinities: A of Eq. 3.

    With N = 2 and ``row`` every off-diagonal entry is 0, because a row's only other entry is its largest.

    Args:
        similarity_LNKK: Of each layer, by :func:`similarity`.
        scale: As for :func:`layer_affinity`.

    Returns:
        (N, N) in [0, 1].
    """
    return torch.stack([layer_affinity(dissimilarity(layer), scale) for layer in similarity_LNKK]).mean(dim=0)


def _to_unit(values_NN: Tensor, dim: int | None) -> Tensor:
    if dim is None:
        low, high = values_NN.min(), values_NN.max()
    else:
        low, high = values_NN.amin(dim, keepdim=True), values_NN.amax(dim, keepdim=True)
    span = high - low
    return torch.where(span > 0, (values_NN - low) / torch.where(span > 0, span, 1.0), 0.0)
