import csv
import io
from typing import Any

import pytest

from dymu.reports.collect import results_of
from dymu.reports.grid import compare_with_grid
from dymu.reports.grid_table import grid_table
from dymu.reports.render import render
from dymu.reports.table import Table


def table(study: Any, **options: Any) -> Table:
    return grid_table(compare_with_grid(results_of(study.store, study.manifest), study.store), **options)


@pytest.fixture
def small(grid_study: Any) -> Any:
    """Five nets and a controller."""
    grid_study.arms["static-grid"].nets = 5
    del grid_study.arms["single-task"]
    return grid_study


def test_there_is_a_row_for_each_number_of_nets_and_for_each_controller(small: Any) -> None:
    small.publish()
    small.publish_training()
    made = table(small)
    assert [row[1].text for row in made.rows] == ["1", "2", "3", "4", "5", "1", "1"]
    assert [row[0].text for row in made.rows] == [*["Static MTL"] * 5, "Ours, c = 0", "Ours, c = 1"]
    assert [row[5].text for row in made.rows[:5]] == ["5", "10", "10", "5", "1"]
    assert [row[6].text for row in made.rows] == ["12", "24", "36", "48", "60", "100", "100"]
    assert [row[-1].text for row in made.rows] == ["0.12", "0.24", "0.36", "0.48", "0.60", "1.00", "1.00"]


def test_numbers_are_means_over_seeds_with_an_interval(small: Any) -> None:
    small.publish()
    last = table(small).rows[4]
    volumes = [small.record("static-grid", seed).values["hypervolume"].value for seed in (0, 1, 2)]
    assert last[2].estimate is not None
    assert last[2].estimate.mean == pytest.approx(sum(volumes) / 3)
    assert last[2].estimate.n == 3
    assert last[2].spread
    assert last[3].text == last[4].text == last[2].text


@pytest.mark.parametrize("style", ["markdown", "csv", "latex", "json"])
def test_it_is_rendered_like_any_table(small: Any, style: str) -> None:
    small.publish()
    small.publish_training()
    text = render(table(small), style)
    assert "Static MTL" in text
    if style == "csv":
        header, *rows = csv.reader(io.StringIO(text))
        assert "Training x Ours" in header
        assert all(len(row) == len(header) for row in rows)


def test_it_tells_where_static_nets_overtake_a_controller(small: Any) -> None:
    small.arms["baseline"].volume = 9.0
    small.publish()
    small.publish_training()
    made = "\n".join(table(small).footnotes)
    assert "Static MTL: on average 2 nets reach the HV of Ours, c = 0 (9.00), after 0.24 times" in made
    assert "Static MTL: on average 1 net reaches the HV of Ours, c = 1 (7.00), after 0.12 times" in made


def test_it_tells_where_they_do_not(small: Any) -> None:
    small.arms["baseline"].volume = 26.0
    small.publish()
    small.publish_training()
    assert "all 5 nets together do not reach the HV of Ours, c = 0" in "\n".join(table(small).footnotes)


def test_missing_records_and_times_are_listed(small: Any) -> None:
    small.without = (("static-grid", 1),)
    small.publish()
    lost = small.steps("baseline", 0)["edge"]
    small.publish_training(without=(lost,))
    notes = "\n".join(table(small).footnotes)
    assert "Static MTL: missing at seed 1" in notes
    assert f"no provenance of {lost}" in notes


def test_without_any_times_the_rest_is_shown(small: Any) -> None:
    small.publish()
    made = table(small)
    assert [column.name for column in made.columns][-1] == "Training wall s"
    assert [row[-1].text for row in made.rows] == ["unknown"] * 7
    assert "after unknown times" in "\n".join(made.footnotes) or "do not reach" in "\n".join(made.footnotes)


def test_notes_are_about_what_the_table_has(small: Any) -> None:
    small.arms["baseline"].paper = {"hypervolume/c=0": 13.43}
    small.publish()
    notes = "\n".join(table(small, provenance=True).footnotes)
    assert "Params" not in notes
    assert "the paper" not in notes
    assert "evaluate/digits-ours-static-grid-2" in notes
