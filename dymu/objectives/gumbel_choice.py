"""One relaxed choice per row of logits, as searches over branchings make it."""

from typing import Literal

import torch
from torch import Tensor

from dymu.objectives.branching import gumbel_softmax, standard_gumbel

Sample = Literal["soft", "straight_through"]


def gumbel_choice(logits: Tensor, temperature: float, sample: Sample, generator: torch.Generator) -> Tensor:
    """Choices over the last dimension, rows sum to one.

    Args:
        logits: (..., N).
        temperature: Of the Gumbel-softmax, positive.
        sample: ``soft`` for the relaxed choice itself, ``straight_through`` for a one-hot choice with the
            gradient of the relaxed one.
        generator: Of the noise, on the CPU.
    """
    noise = standard_gumbel(torch.rand(logits.shape, generator=generator)).to(logits.device)
    soft = gumbel_softmax(logits, noise, temperature)
    if sample == "soft":
        return soft
    hard = torch.zeros_like(soft).scatter_(-1, soft.argmax(dim=-1, keepdim=True), 1.0)
    return hard + soft - soft.detach()
