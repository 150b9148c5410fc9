"""Weights and branching logits trained in one loop, each by an optimiser of its own.

A parameter without a gradient is left alone by torch's optimisers, momentum and weight decay included. So a
step that trains the weights alone, or the logits alone, needs no switch: it gives the others no gradient.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from dymu.stages.optimisation import Optimisation


@dataclass(frozen=True, kw_only=True)
class SearchOptimisation:
    """How a search over branchings is optimised.

    Attributes:
        weights: Of all parameters but the logits.
        logits: The branching logits, trained by Adam at a constant rate.
        logit_rate: That rate.
        logit_decay: Their L2 penalty.
    """

    weights: Optimisation
    logits: nn.Parameter
    logit_rate: float
    logit_decay: float = 0.0

    @property
    def num_steps(self) -> int:
        """Training steps, those of both kinds together."""
        return self.weights.num_steps

    def rate(self, step: int) -> float:
        """Learning rate of the weights in a step."""
        return self.weights.rate(step)

    def build(self, parameters: Iterable[nn.Parameter]) -> "TwoOptimisers":
        """The two optimisers; every parameter that is not the logits is a weight."""
        others = [parameter for parameter in parameters if parameter is not self.logits]
        adam = torch.optim.Adam([self.logits], lr=self.logit_rate, weight_decay=self.logit_decay)
        return TwoOptimisers(self.weights.build(others), adam)


class TwoOptimisers:
    """Steps both optimisers; a training loop that sets learning rates sees the weights' groups only."""

    def __init__(self, weights: torch.optim.Optimizer, logits: torch.optim.Optimizer) -> None:
        self.weights, self.logits = weights, logits

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Groups whose learning rate follows the schedule."""
        return self.weights.param_groups

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        self.weights.zero_grad(set_to_none)
        self.logits.zero_grad(set_to_none)

    def step(self) -> None:
        """Move whatever has a gradient."""
        self.weights.step()
        self.logits.step()

    def state_dict(self) -> dict[str, Any]:
        """Of both."""
        return {"weights": self.weights.state_dict(), "logits": self.logits.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from where :meth:`state_dict` was taken."""
        self.weights.load_state_dict(state_dict["weights"])
        self.logits.load_state_dict(state_dict["logits"])
