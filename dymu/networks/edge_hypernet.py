"""The edge hypernet h: preference to branching logits (section 3.3, Appendix G)."""

import torch
from torch import Tensor, nn

from dymu.networks.initialise import build
from dymu.networks.preference_embedding import HypernetConfig, PreferenceTrunk


class EdgeHypernet(nn.Module):
    """Two hidden layers and L linear heads of N x N outputs, held as one matrix."""

    def __init__(self, size: HypernetConfig, *, num_tasks: int, num_layers: int) -> None:
        super().__init__()
        self.num_tasks, self.num_layers = num_tasks, num_layers
        self.trunk = PreferenceTrunk(size, num_tasks=num_tasks, num_hidden=2)
        self.heads = nn.Linear(size.hidden_dim, num_layers * num_tasks * num_tasks)

    def forward(self, task_preference_PN: Tensor, resource_preference_P: Tensor) -> Tensor:
        """Parent logits (P, L, N, N): [preference, layer, child, parent].

        Args:
            task_preference_PN: Rows on the simplex.
            resource_preference_P: c in [0, 1] of each.
        """
        out = self.heads(self.trunk(task_preference_PN, resource_preference_P))
        return out.unflatten(1, (self.num_layers, self.num_tasks, self.num_tasks))


def make_edge_hypernet(
    size: HypernetConfig, generator: torch.Generator, *, num_tasks: int, num_layers: int
) -> EdgeHypernet:
    """An untrained edge hypernet."""
    net = build(
        lambda: EdgeHypernet(size, num_tasks=num_tasks, num_layers=num_layers),
        generator,
        caller_fills=("trunk.embeddings",),
    )
    with torch.no_grad():
        net.trunk.embeddings.normal_(0.0, size.embedding_std, generator=generator)
    return net
