"""What a predicted tree costs: sums over its reachable nodes.

``parents_SLN[s, l, child]`` is the node of layer l that node ``child`` of layer l + 1 reads; layer L are the
heads, which always run. Letters: S trees, L layers of choices, N tasks.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dymu.errors import SpecError
from dymu.metrics.info import MetricInfo

ACTIVE_PARAMETERS = MetricInfo(name="active_parameters", unit="parameters", higher_is_better=False, lower=0.0)
ACTIVE_PARAMETER_FRACTION = MetricInfo(
    name="active_parameter_fraction", higher_is_better=False, lower=0.0, upper=1.0
)
ACTIVE_MACS = MetricInfo(name="active_macs", unit="MACs", higher_is_better=False, lower=0.0)
DENSE_ACTIVE_PARAMETERS = MetricInfo(
    name="dense_active_parameters", unit="parameters", higher_is_better=False, lower=0.0
)
SKEWED_ACTIVE_PARAMETERS = MetricInfo(
    name="skewed_active_parameters", unit="parameters", higher_is_better=False, lower=0.0
)
CONTROL_PARAMETERS = MetricInfo(
    name="control_parameters", unit="parameters", higher_is_better=False, lower=0.0
)
ANCHOR_PARAMETERS = MetricInfo(name="anchor_parameters", unit="parameters", higher_is_better=False, lower=0.0)
DISTINCT_TREES = MetricInfo(name="distinct_trees", unit="trees", higher_is_better=None, lower=1.0)


def reachable(parents_SLN: ArrayLike) -> NDArray[np.bool_]:
    """Which nodes run: those that some head reads through its ancestors.

    Returns:
        (S, L + 1, N); the last row, the heads, is true.

    Raises:
        SpecError: If the shape is not (S, L, N) of integers or a parent does not exist.
    """
    parents = np.asarray(parents_SLN)
    if parents.ndim != 3 or not np.issubdtype(parents.dtype, np.integer):
        raise SpecError(
            f"parents have shape {parents.shape} of {parents.dtype}; expected (S, L, N) integers."
        )
    size_S, num_layers, num_nodes = parents.shape
    if parents.size > 0 and not (parents.min() >= 0 and parents.max() < num_nodes):
        raise SpecError(
            f"parents range over {parents.min()} .. {parents.max()}; expected 0 .. {num_nodes - 1}."
        )
    used_SLN = np.ones((size_S, num_layers + 1, num_nodes), dtype=bool)
    nodes = np.arange(num_nodes)
    for layer in reversed(range(num_layers)):
        reads_SNN = parents[:, layer, :, None] == nodes  # [tree, child, parent]
        used_SLN[:, layer] = (reads_SNN & used_SLN[:, layer + 1, :, None]).any(axis=1)
    return used_SLN


def tree_cost(
    used_SLN: NDArray[np.bool_], *, node_cost_LN: ArrayLike, head_cost_N: ArrayLike
) -> NDArray[np.float64]:
    """(S,) cost of each tree: its used nodes and all heads.

    Args:
        used_SLN: (S, L + 1, N) as :func:`reachable` gives it.
        node_cost_LN: Cost of each node of layers 0 .. L-1, for instance its parameters.
        head_cost_N: Cost of each head.

    Raises:
        SpecError: If the shapes do not fit.
    """
    nodes = np.asarray(node_cost_LN, dtype=np.float64)
    heads = np.asarray(head_cost_N, dtype=np.float64)
    if nodes.ndim != 2 or heads.shape != nodes.shape[1:]:
        raise SpecError(
            f"node costs have shape {nodes.shape} and head costs {heads.shape}; expected (L, N), (N,)."
        )
    costs_LN = np.vstack([nodes, heads])
    if used_SLN.shape[1:] != costs_LN.shape:
        raise SpecError(
            f"used nodes have shape {used_SLN.shape}, but there are costs for (L + 1, N) = {costs_LN.shape}."
        )
    cost_S: NDArray[np.float64] = (used_SLN * costs_LN).sum(axis=(1, 2))
    return cost_S
