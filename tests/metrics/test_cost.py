"""Reachability and cost against a walk from each head."""

import numpy as np
import pytest

from dymu.errors import SpecError
from dymu.metrics.cost import reachable, tree_cost


def reached_by_walking(parents: list[list[int]]) -> set[tuple[int, int]]:
    """Nodes met on the way from each head down to layer 0."""
    reached = set()
    for head in range(len(parents[0])):
        node = head
        for layer in range(len(parents) - 1, -1, -1):
            node = parents[layer][node]
            reached.add((layer, node))
    return reached


@pytest.mark.parametrize(("layers", "tasks"), [(1, 2), (5, 3), (8, 20)])
def test_used_nodes_are_those_on_the_way_from_some_head(layers: int, tasks: int) -> None:
    trees = np.random.default_rng(0).integers(tasks, size=(50, layers, tasks))
    used = reachable(trees)
    assert used.shape == (50, layers + 1, tasks)
    assert used[:, layers].all()
    for tree, use in zip(trees.tolist(), used[:, :layers], strict=True):
        assert {(int(layer), int(node)) for layer, node in np.argwhere(use)} == reached_by_walking(tree)


def test_cost_sums_the_used_nodes_and_every_head() -> None:
    rng = np.random.default_rng(1)
    trees = rng.integers(4, size=(20, 3, 4))
    nodes, heads = rng.integers(1, 100, size=(3, 4)), rng.integers(1, 100, size=4)
    costs = tree_cost(reachable(trees), node_cost_LN=nodes, head_cost_N=heads)
    for tree, cost in zip(trees.tolist(), costs, strict=True):
        assert cost == sum(int(nodes[node]) for node in reached_by_walking(tree)) + heads.sum()


def test_separate_streams_cost_everything_and_one_stream_costs_one() -> None:
    nodes, heads = np.arange(1.0, 7.0).reshape(2, 3), np.array([10.0, 20.0, 30.0])
    separate = np.tile(np.arange(3), (1, 2, 1))
    shared = np.full((1, 2, 3), 1)
    costs = tree_cost(reachable(np.concatenate([separate, shared])), node_cost_LN=nodes, head_cost_N=heads)
    assert costs.tolist() == [nodes.sum() + 60, nodes[:, 1].sum() + 60]


def test_sharing_at_the_input_leaves_the_nodes_above_in_use() -> None:
    # All nodes of layer 1 read node 2 of layer 0; each head keeps its own node of layer 1.
    used = reachable([[[2, 2, 2], [0, 1, 2]]])
    assert used[0].tolist() == [[False, False, True], [True] * 3, [True] * 3]


def test_large_counts_stay_exact() -> None:
    nodes = np.full((2, 2), 2**52 // 8 + 1)
    costs = tree_cost(reachable([[[0, 1], [0, 1]]]), node_cost_LN=nodes, head_cost_N=[1, 2])
    assert costs[0] == 4 * (2**52 // 8 + 1) + 3


def test_no_tree_costs_nothing() -> None:
    used = reachable(np.empty((0, 2, 3), dtype=int))
    assert used.shape == (0, 3, 3)
    assert tree_cost(used, node_cost_LN=np.ones((2, 3)), head_cost_N=np.ones(3)).shape == (0,)


@pytest.mark.parametrize("parents", [[[0, 1]], [[[0.0, 1.0]]]])
def test_parents_that_are_no_trees_are_refused(parents: object) -> None:
    with pytest.raises(SpecError, match=r"expected \(S, L, N\) integers"):
        reachable(parents)  # type: ignore[arg-type]


@pytest.mark.parametrize("parent", [-1, 2])
def test_a_parent_that_does_not_exist_is_refused(parent: int) -> None:
    with pytest.raises(SpecError, match=r"expected 0 \.\. 1"):
        reachable([[[0, parent]]])


def test_costs_of_other_shapes_are_refused() -> None:
    used = reachable([[[0, 1], [0, 1]]])
    with pytest.raises(SpecError, match="costs for"):
        tree_cost(used, node_cost_LN=np.ones((3, 2)), head_cost_N=np.ones(2))
    with pytest.raises(SpecError, match="head costs"):
        tree_cost(used, node_cost_LN=np.ones((2, 2)), head_cost_N=np.ones(3))
