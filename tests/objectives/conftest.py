from collections.abc import Callable

import pytest
import torch
from torch import Tensor

Choices = Callable[..., Tensor]


@pytest.fixture
def choices() -> Choices:
    """Random parent probabilities (..., L, N, N), [child, parent], from a seed and leading sizes."""

    def make(
        *leading: int, layers: int = 3, tasks: int = 4, seed: int = 0, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        shape = (*leading, layers, tasks, tasks)
        return (2 * torch.randn(shape, generator=generator, dtype=dtype)).softmax(dim=-1)

    return make


@pytest.fixture
def affinity() -> Callable[[int], Tensor]:
    """A task affinity that is not symmetric, ones on its diagonal, float64."""

    def make(tasks: int) -> Tensor:
        values = torch.rand(tasks, tasks, generator=torch.Generator().manual_seed(99), dtype=torch.float64)
        return values.fill_diagonal_(1.0)

    return make
