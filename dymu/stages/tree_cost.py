"""What predicted trees cost: the stem, used nodes and all heads."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dymu.metrics.cost import tree_cost
from dymu.networks.costs import NodeCosts

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cost:
    """What the networks for S preferences cost.

    Attributes:
        parameters_S: Active parameters, heads and stem included.
        macs_S: Multiply-accumulates of one image.
    """

    parameters_S: Floats
    macs_S: Floats


def tree_costs(used_SLN: NDArray[np.bool_], costs: NodeCosts) -> Cost:
    """Cost of S trees: used nodes and all heads; the stem runs once, whatever the tree.

    Args:
        used_SLN: (S, L + 1, N) whether a node runs.
        costs: Of every node of the net.
    """
    parameters_S = tree_cost(used_SLN, node_cost_LN=costs.parameters_LS, head_cost_N=costs.head_parameters_N)
    macs_S = tree_cost(used_SLN, node_cost_LN=costs.macs_LS, head_cost_N=costs.head_macs_N)
    return Cost(costs.stem_parameters + parameters_S, costs.stem_macs + macs_S)
