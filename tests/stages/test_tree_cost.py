"""Costs of trees with stems."""

import numpy as np

from dymu.networks.costs import NodeCosts
from dymu.stages.tree_cost import tree_costs

COSTS = NodeCosts(
    parameters_LS=np.array([[1.0, 2.0], [4.0, 8.0]]),
    macs_LS=np.array([[10.0, 20.0], [40.0, 80.0]]),
    head_parameters_N=np.array([16.0, 32.0]),
    head_macs_N=np.array([160.0, 320.0]),
    stem_parameters=64.0,
    stem_macs=640.0,
)


def test_used_nodes_all_heads_and_the_stem_count() -> None:
    used_SLN = np.array([[[True, False], [True, True], [True, True]], [[False, True]] * 2 + [[True, True]]])
    cost = tree_costs(used_SLN, COSTS)
    assert cost.parameters_S.tolist() == [1 + 4 + 8 + 16 + 32 + 64, 2 + 8 + 16 + 32 + 64]
    assert cost.macs_S.tolist() == [10 * value for value in cost.parameters_S]
