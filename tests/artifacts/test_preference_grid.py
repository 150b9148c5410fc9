"""Lattices of preferences, and grids as files."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from dymu.artifacts.preference_grid import (
    RESOURCES,
    PreferenceGrid,
    grid_file,
    kept_grid,
    lattice,
    loads_grid,
    save_grid,
    weights_behind,
)
from dymu.artifacts.record import Record
from dymu.errors import StoreError

GRID = PreferenceGrid(
    address="evaluate/a",
    tasks=("left", "right"),
    unit=2,
    preferences=((0, 2), (1, 1), (2, 0)),
    resources=(0.0, 1.0),
    trees=(((0, 0), (1, 1)), ((0, 0), (0, 0))),
    parameters=(20.0, 10.0),
    macs=(200.0, 100.0),
    index=((0, 0, 0), (1, 0, 1)),
    anchor_parameters=20.0,
)
RECORD = Record(
    address="evaluate/a",
    seed=0,
    method="controllable",
    tasks=("left", "right"),
    values={},
    points=(),
    reference_point=(1.0, 1.0),
    anchor_parameters=20.0,
    data_digest="d",
    config={
        "evaluate/a": {"inputs": {"anchor": "anchor/a", "edge": "edge/a", "weight": "weight/a"}},
        "edge/a": {"inputs": {"anchor": "anchor/a"}},
        "anchor/a": {"inputs": {}},
    },
)


@pytest.mark.parametrize("num_tasks", [2, 3, 4, 5, 8, 20])
def test_a_lattice_lies_on_the_simplex_and_has_its_corners_and_centre(num_tasks: int) -> None:
    unit, rows = lattice(num_tasks)
    assert all(sum(row) == unit and min(row) >= 0 for row in rows)
    assert len(set(rows)) == len(rows) < 1100
    corners = {tuple(unit if i == task else 0 for i in range(num_tasks)) for task in range(num_tasks)}
    assert corners <= set(rows)
    assert tuple([unit // num_tasks] * num_tasks) in rows


@pytest.mark.parametrize("num_tasks", [3, 20])
def test_a_lattice_treats_all_tasks_alike(num_tasks: int) -> None:
    _, rows = lattice(num_tasks)
    turned = {(*row[1:], row[0]) for row in rows}
    assert turned == set(rows)


def test_the_lattice_of_three_tasks_is_fine() -> None:
    unit, rows = lattice(3)
    edge = sorted(row[1] for row in rows if row[0] == 0)
    assert max(after - before for before, after in pairwise(edge)) <= unit / 40


def test_resource_preferences_go_from_nought_to_one() -> None:
    assert RESOURCES[0] == 0.0
    assert RESOURCES[-1] == 1.0
    assert list(RESOURCES) == sorted(RESOURCES)


def test_a_grid_survives_its_file(tmp_path: Path) -> None:
    save_grid(tmp_path / "grids", RECORD, GRID)
    assert kept_grid(tmp_path / "grids", RECORD) == GRID


def test_what_was_not_kept_is_not_there(tmp_path: Path) -> None:
    assert kept_grid(tmp_path, RECORD) is None


def test_the_weight_hypernet_is_not_behind_a_tree() -> None:
    assert weights_behind(RECORD) == ("anchor/a", "edge/a")
    assert weights_behind(replace(RECORD, method="single_task")) == ()


def test_another_edge_hypernet_has_another_file(tmp_path: Path) -> None:
    config = {**RECORD.config, "edge/b": {"inputs": {}}}
    config["evaluate/a"] = {"inputs": {"edge": "edge/b"}}
    assert grid_file(tmp_path, RECORD) != grid_file(tmp_path, replace(RECORD, config=config))


@pytest.mark.parametrize(("text", "said"), [("{}", "is not a grid"), ('{"format": 99}', "format 99")])
def test_a_file_that_is_no_grid_is_refused(text: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        loads_grid(text, where="file")
