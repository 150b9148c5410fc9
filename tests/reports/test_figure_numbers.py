import csv
import io
from typing import Any

import pytest

from dymu.errors import ReportError
from dymu.reports import figures
from dymu.reports.collect import Results, results_of
from dymu.reports.figure_numbers import (
    OF_RECORDS,
    OF_STORE,
    attained_numbers,
    distribution_numbers,
    loss_numbers,
    resource_numbers,
    seed_numbers,
)
from dymu.reports.render import render
from dymu.reports.table import Table


def rows(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render(table, "csv"))))


def test_every_figure_has_numbers() -> None:
    assert {*OF_RECORDS, *OF_STORE, "static_grid"} == set(figures.NAMES)


def test_every_sampled_preference_of_a_map_is_a_row(results: Results) -> None:
    found = rows(resource_numbers(results))
    assert len(found) == 3 * 2 * 200
    weights = [float(value) for name, value in found[0].items() if name.startswith("preference ")]
    assert sum(weights) == pytest.approx(1)
    mean = sum(float(row["active parameter fraction"]) for row in found[:200]) / 200
    assert 100 * mean == pytest.approx(float(rows(distribution_numbers(results))[0]["mean %"]))


def test_losses_are_points_and_means_of_fifths(results: Results) -> None:
    found = [row for row in rows(loss_numbers(results)) if row["arm"] == "Ours" and row["c"] == "0"]
    assert sum(row["shown"] == "point" for row in found) == 3 * 20
    assert sum(row["shown"] == "mean of a fifth" for row in found) == 3 * 5


def test_seeds_are_followed_by_their_mean(results: Results) -> None:
    found = rows(seed_numbers(results))[:4]
    assert [row["seed"] for row in found] == ["0", "1", "2", "mean"]
    assert float(found[3]["number"]) == pytest.approx(16.0)
    assert float(found[3]["half width"]) > 0


def test_attained_losses_have_a_column_for_each_task(results: Results) -> None:
    assert list(rows(attained_numbers(results))[0])[-3:] == ["loss left", "loss right", "loss parity"]


def test_figures_of_a_study_have_their_numbers(study: Any) -> None:
    study.affinity = True
    study.publish()
    study.publish_affinity()
    study.publish_curves(steps=3)
    results = results_of(study.store, study.manifest)
    for name in figures.for_run(results, study.store):
        assert rows(figures.numbers(name, results, study.store)), name


def test_without_trees_there_are_no_numbers(study: Any, other_arm: Any) -> None:
    study.arms = {"baseline": other_arm("Single-Task", resources=(None,))}
    study.publish()
    with pytest.raises(ReportError, match="has no records of this"):
        figures.numbers(16, results_of(study.store, study.manifest), study.store)


def test_records_behind_a_table_are_named_on_request(study: Any, results: Results) -> None:
    addresses = [record.address for record in results.of("baseline").values()]
    said = f"Records of Ours: {', '.join(addresses)}."
    assert said in figures.numbers(7, results, study.store, provenance=True).footnotes
    assert said not in figures.numbers(7, results, study.store).footnotes
