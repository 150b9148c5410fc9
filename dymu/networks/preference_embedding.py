"""The preference embedding that both hypernets start from (Appendix G)."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from dymu.artifacts.config import check, config


@config
class HypernetConfig:
    """Size of a hypernet.

    Attributes:
        embedding_dim: Length of the embeddings e_i and e_c (Appendix G: 32).
        hidden_dim: Width of the hidden layers (Appendix G: 100).
        embedding_std: Standard deviation of the embeddings' initial values; not stated in the paper, as in
            PHN (docs/protocol.md, no. 17).
    """

    embedding_dim: int = 32
    hidden_dim: int = 100
    embedding_std: float = 0.1

    def __post_init__(self) -> None:
        check(self.embedding_dim > 0, self, "embedding_dim", "a positive number")
        check(self.hidden_dim > 0, self, "hidden_dim", "a positive number")
        check(self.embedding_std > 0, self, "embedding_std", "a positive number")


class PreferenceTrunk(nn.Module):
    """p = sum_i r_i e_i + c e_c, then hidden layers of ReLU units.

    Attributes:
        embeddings: (N + 1, embedding_dim); the last row is e_c, absent for a trunk that ignores c.
    """

    def __init__(
        self, size: HypernetConfig, *, num_tasks: int, num_hidden: int, use_resource: bool = True
    ) -> None:
        super().__init__()
        self.use_resource = use_resource
        self.embeddings = nn.Parameter(
            torch.empty(num_tasks + (1 if use_resource else 0), size.embedding_dim)
        )
        widths = [size.embedding_dim] + [size.hidden_dim] * num_hidden
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, task_preference_PN: Tensor, resource_preference_P: Tensor) -> Tensor:
        """Features (P, hidden_dim).

        Args:
            task_preference_PN: Rows on the simplex: weights of the tasks' embeddings.
            resource_preference_P: c in [0, 1] of each: weight of one more embedding, if there is one.
        """
        mixture = task_preference_PN
        if self.use_resource:
            mixture = torch.cat([task_preference_PN, resource_preference_P[:, None]], dim=1)
        out = mixture @ self.embeddings
        for layer in self.hidden:
            out = functional.relu(layer(out))
        return out
