"""What the explorer is given."""

from dataclasses import replace
from typing import Any

from dymu.artifacts.preference_grid import PreferenceGrid
from dymu.reports.collect import Results
from dymu.reports.html.explorer import explorer_data, paths_of

GRID = PreferenceGrid(
    address="evaluate/a",
    tasks=("left", "right", "parity"),
    unit=3,
    preferences=((3, 0, 0), (0, 3, 0), (0, 0, 3), (1, 1, 1)),
    resources=(0.0, 1.0),
    trees=(((0,), (1,), (2,)), ((0,), (0,), (0,))),
    parameters=(30.0, 10.0),
    macs=(300.0, 100.0),
    index=((0, 0, 0, 0), (0, 1, 1, 0)),
    anchor_parameters=30.0,
)


def unrolled(runs: list[int]) -> list[int]:
    return [number for count, number in zip(runs[::2], runs[1::2], strict=True) for _ in range(count)]


def data_of(results: Results, grids: Any) -> dict[str, Any]:
    found = explorer_data(results, grids)
    assert found is not None
    return found


def test_runs_are_the_numbers_of_trees_in_order(results: Results) -> None:
    data = data_of(results, {("baseline", 0): GRID})
    grid = data["controllers"][0]["grid"]
    assert unrolled(grid["runs"]) == [number for row in GRID.index for number in row]


def test_grids_share_their_lattice(results: Results) -> None:
    data = data_of(results, {("baseline", 0): GRID, ("no-affinity", 2): GRID})
    assert len(data["lattices"]) == 1
    assert [one["grid"] is None for one in data["controllers"]].count(False) == 2


def test_every_arm_and_seed_has_what_was_recorded(results: Results) -> None:
    data = data_of(results, {})
    assert len(data["controllers"]) == 9
    assert [point["c"] for point in data["controllers"][0]["recorded"]] == [0.0, 1.0]
    assert len(data["controllers"][0]["recorded"][0]["preferences"]) == 20


def test_what_does_not_follow_preferences_is_left_out(results: Results) -> None:
    records = {
        cell: replace(r, points=tuple(replace(p, losses=[p.losses[0]] * len(p.losses)) for p in r.points))
        for cell, r in results.records.items()
    }
    assert explorer_data(replace(results, records=records), {}) is None


def test_paths_go_from_the_first_layer_to_the_heads() -> None:
    parents = [[0, 0, 2], [0, 1, 1], [2, 1, 0]]  # node j of layer l + 1 reads parents[l][j]
    expected = []
    for head in range(3):
        top = parents[2][head]
        middle = parents[1][top]
        expected.append([parents[0][middle], middle, top])
    assert paths_of(parents) == expected
