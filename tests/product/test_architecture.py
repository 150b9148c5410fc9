"""A predicted tree as a value."""

import json

import pytest

from dymu.product.architecture import Architecture, architecture_of

PREFERENCE = {"left": 0.2, "right": 0.3, "parity": 0.5}


@pytest.fixture
def tree() -> Architecture:
    """Left and right share layer 0 of stream 0; parity starts in stream 2 and goes on in stream 1."""
    return architecture_of([[0, 2, 0], [0, 2, 1], [0, 1, 2]], PREFERENCE, 0.25)


def test_a_path_follows_parents_from_the_head(tree: Architecture) -> None:
    assert tree.paths == {"left": (0, 0, 0), "right": (0, 2, 1), "parity": (2, 1, 2)}


def test_nodes_are_those_on_some_path(tree: Architecture) -> None:
    on_paths = {(layer, path[layer]) for path in tree.paths.values() for layer in range(3)}
    assert set(tree.nodes) == on_paths
    assert tree.nodes == tuple(sorted(on_paths))


def test_the_text_shows_where_tasks_part(tree: Architecture) -> None:
    assert tree.text.splitlines() == [
        "left 0.2, right 0.3, parity 0.5; c = 0.25",
        "image",
        "├─ layer 0: 0",
        "│  ├─ layers 1-2: 0 0 -> left",
        "│  └─ layers 1-2: 2 1 -> right",
        "└─ layers 0-2: 2 1 2 -> parity",
    ]


def test_tasks_that_share_everything_end_on_one_line() -> None:
    shared = architecture_of([[1, 1, 1], [1, 1, 1]], PREFERENCE, 1.0)
    assert shared.text.splitlines()[2:] == ["└─ layers 0-1: 1 1 -> left, right, parity"]


def test_the_form_is_json_and_holds_the_tree(tree: Architecture) -> None:
    form = json.loads(json.dumps(tree.form()))
    assert form["parents"] == [[0, 2, 0], [0, 2, 1], [0, 1, 2]]
    assert form["paths"]["parity"] == [2, 1, 2]
    assert form["task_preference"] == PREFERENCE
    assert form["resource_preference"] == 0.25
