"""The heads of a weight hypernet node by node, for one preference at a time.

The network of one preference needs the product of a large matrix and one vector, which takes as long as
reading the matrix. So only the part of used nodes is read, and of that only the columns of hidden units that
are not zero: half of them, where ReLUs see as much below zero as above. Columns lie apart in the memory of a
linear layer, so the heads are kept a second time, transposed.
"""

from collections.abc import Iterable
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional

from dymu.networks.anchor_net import AnchorNet
from dymu.networks.forward import Adaptation
from dymu.networks.weight_hypernet import WeightHypernet


class NodeHeads:
    """Perturbations of single nodes; the heads of a node are transposed when it is first asked for.

    Args:
        hypernet: Weight hypernet, frozen.
        net: The anchor net that it was made for.
    """

    def __init__(self, hypernet: WeightHypernet, net: AnchorNet) -> None:
        self._hypernet = hypernet
        stops = list(accumulate(node.num_modulated() for node in net.nodes()))
        self._ranges = [slice(start, stop) for start, stop in zip([0, *stops], stops, strict=False)]
        self._transposed: dict[int, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def adaptations(
        self, task_preference_1N: Tensor, resource_preference: float, numbers: Iterable[int]
    ) -> dict[int, Adaptation]:
        """Perturbations (1, D) by number of the node, for nodes that have affine channels."""
        trunk = self._hypernet.trunk
        resource_1 = trunk.embeddings.new_tensor([resource_preference])
        features_H = trunk(task_preference_1N.to(trunk.embeddings), resource_1)[0]
        active_K = features_H.nonzero().flatten()
        weights_K, start = features_H[active_K], active_K.new_zeros(1)
        adaptations = {}
        for number in numbers:
            size_D = self._ranges[number].stop - self._ranges[number].start
            if size_D == 0:
                continue
            if number not in self._transposed:
                self._transposed[number] = self._heads(self._ranges[number])
            rows_HD, bias_D = self._transposed[number]
            # One embedding bag: the weighted sum of chosen rows.
            both = bias_D + functional.embedding_bag(
                active_K, rows_HD, start, mode="sum", per_sample_weights=weights_K
            )
            adaptations[number] = Adaptation(both[:, :size_D], both[:, size_D:])
        return adaptations

    def _heads(self, mine: slice) -> tuple[Tensor, Tensor]:
        """Weights (hidden, 2D) and biases (2D,) of scale and shift of some channels."""
        weight, bias = self._hypernet.heads.weight, self._hypernet.heads.bias
        both = [torch.cat([half[mine] for half in tensor.detach().chunk(2)]) for tensor in (weight, bias)]
        return both[0].T.contiguous(), both[1]
