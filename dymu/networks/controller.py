"""The trained controller: preference in, network out (section 3.3, test time)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dymu.networks.anchor_net import AnchorNet
from dymu.networks.edge_hypernet import EdgeHypernet
from dymu.networks.forward import Adaptation, Conditions, tree_forward
from dymu.networks.norm import NormMode
from dymu.networks.tree import check_preference, most_likely_parents
from dymu.networks.weight_hypernet import WeightHypernet


@dataclass(frozen=True)
class Controller:
    """Anchor net, edge hypernet and, unless the anchor's weights are used as they are, weight hypernet.

    Attributes:
        net: N streams of L layers, trained for one task each.
        edge: Preference to parent logits.
        weight: Preference to perturbations of normalisation; ``None`` for the anchor's own parameters.
    """

    net: AnchorNet
    edge: EdgeHypernet
    weight: WeightHypernet | None

    @torch.no_grad()
    def parents(self, task_preference_SN: Tensor, resource_preference: float | Tensor) -> Tensor:
        """(S, L, N) most likely trees at one or at S resource preferences, on the CPU, in one batched call.

        Args:
            task_preference_SN: Rows on the simplex.
            resource_preference: c in [0, 1], one for all or (S,).

        Raises:
            SpecError: If a preference does not lie on the simplex or c is outside [0, 1].
        """
        preference_SN, resource_S = self._checked(task_preference_SN, resource_preference)
        return most_likely_parents(self.edge(preference_SN, resource_S)).cpu()

    @torch.no_grad()
    def adaptation(
        self, task_preference_SN: Tensor, resource_preference: float | Tensor
    ) -> Adaptation | None:
        """Perturbations (S, D) of normalisation parameters, or ``None`` without a weight hypernet.

        Args:
            task_preference_SN: Rows on the simplex.
            resource_preference: c in [0, 1], one for all or (S,).

        Raises:
            SpecError: As :meth:`parents`.
        """
        preference_SN, resource_S = self._checked(task_preference_SN, resource_preference)
        if self.weight is None:
            return None
        adaptation: Adaptation = self.weight(preference_SN, resource_S)
        return adaptation

    @torch.no_grad()
    def predict(
        self,
        images_BCHW: Tensor,
        task_preference_N: Tensor,
        resource_preference: float,
        *,
        mode: NormMode = "batch",
    ) -> list[Tensor]:
        """Predictions (B, ...) of every task by the network that a preference asks for.

        Args:
            images_BCHW: As the dataset prepares them.
            task_preference_N: On the simplex.
            resource_preference: c in [0, 1].
            mode: Whose statistics normalisations use.

        Raises:
            SpecError: As :meth:`parents`.
        """
        preference_1N = task_preference_N.unsqueeze(0)
        conditions = Conditions(mode, self.adaptation(preference_1N, resource_preference))
        parents_1LN = self.parents(preference_1N, resource_preference)
        return [out.squeeze(1) for out in tree_forward(self.net, images_BCHW, parents_1LN, conditions)]

    def num_control_parameters(self) -> int:
        """Parameters of the hypernets."""
        hypernets = [self.edge] if self.weight is None else [self.edge, self.weight]
        return sum(parameter.numel() for hypernet in hypernets for parameter in hypernet.parameters())

    def _checked(
        self, task_preference_SN: Tensor, resource_preference: float | Tensor
    ) -> tuple[Tensor, Tensor]:
        size_S = len(task_preference_SN)
        if isinstance(resource_preference, Tensor):
            resources = resource_preference.tolist()
        else:
            resources = [float(resource_preference)] * size_S
        for row, resource in zip(task_preference_SN.tolist(), resources, strict=True):
            check_preference(row, resource, num_tasks=len(self.net.tasks))
        device = next(self.edge.parameters()).device
        return task_preference_SN.to(device, torch.float32), torch.tensor(
            resources, dtype=torch.float32, device=device
        )
