"""The weight hypernet: preference to normalisation perturbations (section 3.3.2, Appendix G)."""

import torch
from torch import Tensor, nn

from dymu.networks.anchor_net import AnchorNet
from dymu.networks.forward import Adaptation
from dymu.networks.initialise import build
from dymu.networks.preference_embedding import HypernetConfig, PreferenceTrunk


class WeightHypernet(nn.Module):
    """Three hidden layers and linear heads for scale and shift of every affine channel of every node."""

    def __init__(
        self, size: HypernetConfig, *, num_tasks: int, num_channels: int, use_resource: bool = True
    ) -> None:
        super().__init__()
        self.num_channels = num_channels
        self.trunk = PreferenceTrunk(size, num_tasks=num_tasks, num_hidden=3, use_resource=use_resource)
        self.heads = nn.Linear(size.hidden_dim, 2 * num_channels)

    def forward(self, task_preference_PN: Tensor, resource_preference_P: Tensor) -> Adaptation:
        """Perturbations (P, D) of scale and shift.

        Args:
            task_preference_PN: Rows on the simplex.
            resource_preference_P: c in [0, 1] of each; has no effect without ``use_resource``.
        """
        scale_PD, shift_PD = self.heads(self.trunk(task_preference_PN, resource_preference_P)).chunk(2, dim=1)
        return Adaptation(scale_PD, shift_PD)


def num_modulated_channels(net: AnchorNet) -> int:
    """D: affine normalisation channels of all nodes, heads included (docs/protocol.md, no. 15)."""
    return sum(node.num_modulated() for node in net.nodes())


def make_weight_hypernet(
    size: HypernetConfig, net: AnchorNet, generator: torch.Generator, *, use_resource: bool = True
) -> WeightHypernet:
    """An untrained weight hypernet whose output is zero: before training the anchor is unchanged."""
    num_channels = num_modulated_channels(net)
    hypernet = build(
        lambda: WeightHypernet(
            size, num_tasks=len(net.tasks), num_channels=num_channels, use_resource=use_resource
        ),
        generator,
        caller_fills=("trunk.embeddings",),
    )
    with torch.no_grad():
        hypernet.trunk.embeddings.normal_(0.0, size.embedding_std, generator=generator)
        hypernet.heads.weight.zero_()
    return hypernet
