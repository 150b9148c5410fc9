"""Trees as parent indices, against walks from the heads downwards."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from dymu.errors import SpecError
from dymu.metrics.cost import reachable
from dymu.networks.tree import (
    check_preference,
    most_likely_parents,
    nodes_on_paths,
    paths,
    refined_tree,
    separate_streams,
    shared_stream,
    task_paths,
)

MakeTrees = Callable[..., Tensor]
SHAPES = [(3, 3), (1, 2), (5, 4), (2, 1)]


def walked_path(tree: Tensor, task: int) -> list[int]:
    """Streams of layers 0 to L-1, found by asking each node for its parent."""
    streams = []
    node = task
    for layer in range(len(tree) - 1, -1, -1):
        node = int(tree[layer, node])
        streams.append(node)
    return streams[::-1]


@pytest.mark.parametrize(("layers", "tasks"), SHAPES)
def test_paths_are_walks_from_the_heads(make_trees: MakeTrees, layers: int, tasks: int) -> None:
    trees = make_trees(20, layers=layers, tasks=tasks)
    expected = [[walked_path(tree, task) for task in range(tasks)] for tree in trees]
    assert paths(trees).tolist() == expected


@pytest.mark.parametrize(("layers", "tasks"), SHAPES)
def test_nodes_on_paths_are_those_that_a_walk_meets(make_trees: MakeTrees, layers: int, tasks: int) -> None:
    trees = make_trees(20, layers=layers, tasks=tasks)
    used = nodes_on_paths(paths(trees))
    assert used.shape == (20, layers, tasks)
    for p, tree in enumerate(trees):
        met = {(layer, walked_path(tree, task)[layer]) for task in range(tasks) for layer in range(layers)}
        assert {tuple(node) for node in used[p].nonzero().tolist()} == met


@pytest.mark.parametrize(("layers", "tasks"), SHAPES)
def test_nodes_that_run_are_nodes_that_are_paid_for(make_trees: MakeTrees, layers: int, tasks: int) -> None:
    trees = make_trees(50, layers=layers, tasks=tasks, seed=1)
    np.testing.assert_array_equal(nodes_on_paths(paths(trees)).numpy(), reachable(trees.numpy())[:, :-1])


def test_the_most_likely_parent_wins() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, -1.0, 2.9], [-5.0, -4.0, -3.0]]).expand(2, 4, 3, 3)
    assert most_likely_parents(logits).tolist() == [[[1, 0, 2]] * 4] * 2


def test_ties_go_to_the_lowest_stream() -> None:
    rows = torch.tensor(
        [[1.0, 1.0, 1.0, 1.0], [0.0, 2.0, 2.0, 1.0], [3.0, 0.0, 0.0, 3.0], [0.0, 0.0, 1.0, 1.0]]
    )
    assert most_likely_parents(rows.expand(5, 2, 4, 4)).tolist() == [[[0, 1, 0, 2]] * 2] * 5


def test_separate_streams_share_nothing() -> None:
    tree = separate_streams(4, 3)
    assert tree.shape == (1, 4, 3)
    assert paths(tree)[0].tolist() == [[task] * 4 for task in range(3)]
    assert nodes_on_paths(paths(tree)).all()


@pytest.mark.parametrize("stream", [0, 2])
def test_a_shared_stream_is_the_only_one_that_runs(stream: int) -> None:
    tree = shared_stream(4, 3, stream)
    assert paths(tree)[0].tolist() == [[stream] * 4] * 3
    assert nodes_on_paths(paths(tree))[0].sum(dim=0).tolist() == [4 if i == stream else 0 for i in range(3)]


@pytest.mark.parametrize("task_preference", [[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [1 / 3] * 3, [0.33333] * 3])
@pytest.mark.parametrize("resource_preference", [0.0, 0.4, 1.0])
def test_a_point_of_the_simplex_is_a_preference(
    task_preference: list[float], resource_preference: float
) -> None:
    check_preference(task_preference, resource_preference, num_tasks=3)


def test_a_preference_of_wrong_length_is_refused() -> None:
    with pytest.raises(SpecError, match=r"\[0\.5, 0\.5\] has 2 entries; expected 3, one per task"):
        check_preference([0.5, 0.5], 0.0, num_tasks=3)


def test_a_preference_that_does_not_sum_to_one_is_refused() -> None:
    with pytest.raises(SpecError, match=r"sums to 1\.5; divide it by its sum"):
        check_preference([0.5, 0.5, 0.5], 0.0, num_tasks=3)


@pytest.mark.parametrize("wrong", [-0.1, math.nan])
def test_a_preference_with_a_negative_or_undefined_entry_is_refused(wrong: float) -> None:
    with pytest.raises(SpecError, match="has an entry that is not >= 0; preferences lie on the simplex"):
        check_preference([0.6, 0.5, wrong], 0.0, num_tasks=3)


@pytest.mark.parametrize("wrong", [-0.01, 1.01, math.nan, math.inf])
def test_a_resource_preference_outside_the_unit_interval_is_refused(wrong: float) -> None:
    with pytest.raises(SpecError, match=rf"resource preference is {wrong}; expected a number in \[0, 1\]"):
        check_preference([0.6, 0.4], wrong, num_tasks=2)


def test_paths_of_one_tree_are_those_of_many() -> None:
    trees = torch.randint(4, (20, 5, 4), generator=torch.Generator().manual_seed(0))
    assert [task_paths(tree.tolist()) for tree in trees] == paths(trees).tolist()


def test_tasks_that_have_chosen_alike_so_far_share_the_stream_of_the_first() -> None:
    choices = torch.tensor([[2, 0, 2, 0], [1, 1, 1, 1], [3, 3, 0, 3]])
    tree = refined_tree(choices)
    assert paths(tree.unsqueeze(0))[0].T.tolist() == [[0, 1, 0, 1], [0, 1, 0, 1], [0, 1, 2, 1]]


def test_branches_of_a_refined_tree_never_merge_again() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        tree = refined_tree(torch.randint(4, (5, 4), generator=generator))
        of_layer = paths(tree.unsqueeze(0))[0].T.tolist()
        for above, below in zip(of_layer[1:], of_layer[:-1], strict=True):
            together = [(i, j) for i in range(4) for j in range(i) if above[i] == above[j]]
            assert all(below[i] == below[j] for i, j in together)
