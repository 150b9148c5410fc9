import numpy as np
import pytest

from dymu.reports.collect import Results
from dymu.reports.predicted_tree import corner, nearest_preference, paths_of, tree_at, uniform

# Heads 0 and 1 read node 1 of the last layer, which reads node 0; head 2 stays in stream 2.
PARENTS = [[0, 0, 2], [0, 0, 2], [1, 1, 2]]


def test_paths_go_from_the_head_back_to_the_first_layer() -> None:
    assert paths_of(PARENTS).tolist() == [[0, 0, 1], [0, 0, 1], [2, 2, 2]]


def test_separate_streams_are_straight_and_a_shared_one_is_one() -> None:
    assert paths_of([[0, 1], [0, 1]]).tolist() == [[0, 0], [1, 1]]
    assert paths_of([[1, 1], [1, 1]]).tolist() == [[1, 1], [1, 1]]


def test_nodes_that_run_know_their_tasks(results: Results) -> None:
    record = results.records["baseline", 0]
    point = record.points[0]
    index = next(i for i, row in enumerate(point.preferences) if max(row) > 0.5)
    best = int(np.argmax(point.preferences[index]))
    tree = tree_at(record, point, index)
    assert tree.used == {(layer, best): (0, 1, 2) for layer in range(3)}
    assert (tree.c, tree.seed, tree.num_streams) == (0.0, 0, 3)
    assert tree.share == pytest.approx(point.parameters[index] / record.anchor_parameters)


def test_the_nearest_preference_is_found() -> None:
    rows = [[0.8, 0.1, 0.1], [0.3, 0.3, 0.4], [0.1, 0.0, 0.9]]
    assert nearest_preference(rows, uniform(3)) == 1
    assert nearest_preference(rows, corner(0, 3)) == 0
    assert nearest_preference(rows, corner(2, 3)) == 2
    assert nearest_preference([[0.5, 0.5], [0.5, 0.5]], uniform(2)) == 0
    assert corner(1, 3) == (0.0, 1.0, 0.0)
