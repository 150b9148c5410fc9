"""In which precision the anchor net or shared net computes features while something is trained on them.

Weights, normalisation statistics, hypernets, regulariser, losses and optimiser are in single precision
whatever the choice, and evaluation is altogether. The choice moves results by more than the order of sums
does, so it is part of a config (ADR 0011).
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def features_in(precision: Precision, device: str) -> AbstractContextManager[object]:
    """Convolutions, linear layers and mixtures of the block run in this precision."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16)
