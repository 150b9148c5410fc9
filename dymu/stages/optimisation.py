"""How weights are optimised: number of steps, optimiser and learning rate as a function of the step."""

import math
from collections.abc import Iterable
from typing import Literal

import torch
from torch import nn

from dymu.artifacts.config import absent_means, check, config
from dymu.stages.precision import Precision


@config
class Optimisation:
    """Optimiser settings of one training stage.

    Attributes:
        num_steps: Training steps.
        optimiser: Adam, or SGD with momentum 0.9.
        learning_rate: At the start.
        schedule: ``step`` multiplies by ``decay_factor`` every ``decay_every`` steps, ``cosine`` and ``poly``
            (power 0.9) fall to zero at the end.
        decay_factor: The paper's hypernets use 0.3 (Appendix G).
        decay_every: The paper's hypernets use 14000.
        weight_decay: L2 penalty as the optimiser defines it.
        precision: In which features are computed while training; ``bfloat16`` halves their memory.
    """

    num_steps: int
    optimiser: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    schedule: Literal["constant", "step", "cosine", "poly"] = "step"
    decay_factor: float = 0.3
    decay_every: int = 14_000
    weight_decay: float = 0.0
    precision: Precision = absent_means("float32")

    def __post_init__(self) -> None:
        check(self.num_steps >= 1, self, "num_steps", "at least 1")
        check(self.learning_rate > 0, self, "learning_rate", "a positive number")
        check(self.decay_every >= 1, self, "decay_every", "at least 1")
        check(0 < self.decay_factor <= 1, self, "decay_factor", "a number in (0, 1]")
        check(self.weight_decay >= 0, self, "weight_decay", "a number that is not negative")

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        done = step / self.num_steps
        if self.schedule == "step":
            return self.learning_rate * self.decay_factor ** (step // self.decay_every)
        if self.schedule == "cosine":
            return self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))
        if self.schedule == "poly":
            return float(self.learning_rate * (1.0 - done) ** 0.9)
        return self.learning_rate

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser; its learning rate is set anew in every step."""
        if self.optimiser == "sgd":
            return torch.optim.SGD(
                parameters, lr=self.learning_rate, momentum=0.9, weight_decay=self.weight_decay
            )
        return torch.optim.Adam(parameters, lr=self.learning_rate, weight_decay=self.weight_decay)
