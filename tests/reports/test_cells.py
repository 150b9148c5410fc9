from dataclasses import replace
from typing import Any

import pytest

from dymu.artifacts.record import Record
from dymu.reports.cells import cell_of, column_of, own_resources, resources_of, seeds_of, whole_table
from dymu.reports.collect import Results, results_of
from dymu.reports.compare import estimate
from dymu.reports.metric import CONTROL, FRACTION, HYPERVOLUME
from dymu.reports.table import Cell, Column


def test_a_cell_with_fewer_seeds_than_its_row_says_so(study: Any) -> None:
    def without_volume(arm: str, seed: int, record: Record) -> Record:
        if (arm, seed) != ("baseline", 1):
            return record
        return replace(
            record, values={name: value for name, value in record.values.items() if "volume" not in name}
        )

    study.publish(without_volume)
    found = results_of(study.store, study.manifest)
    arm = found.arm("baseline")
    volume, share = cell_of(found, arm, HYPERVOLUME, 0.0), cell_of(found, arm, FRACTION, 0.0)
    assert seeds_of(found, arm).text == "3"
    assert volume.detail == "n = 2"
    assert len(volume.addresses) == 2
    assert "n =" not in share.detail


def test_a_value_that_no_record_has_is_a_dash(results: Results) -> None:
    assert cell_of(results, results.arm("baseline"), HYPERVOLUME, 0.5).text == "–"


def test_resource_preferences_are_measured_or_printed(study: Any) -> None:
    study.without = tuple((arm, seed) for arm in study.arms for seed in study.seeds)
    study.publish()
    found = results_of(study.store, study.manifest)
    assert resources_of(found) == (0.0, 1.0)
    assert own_resources(found, found.arm("baseline")) == (0.0, 1.0)
    assert own_resources(found, found.arm("no-affinity")) == (None,)


def test_a_column_names_its_resource_preference(results: Results) -> None:
    assert column_of(results, HYPERVOLUME, 1.0) == Column(title="HV", below="c = 1", higher_is_better=True)
    assert column_of(results, CONTROL, None).higher_is_better is False


@pytest.mark.parametrize(
    ("higher", "marks"), [(True, ["second", "", "best"]), (False, ["second", "best", ""])]
)
def test_marks_follow_the_direction(results: Results, higher: bool, marks: list[str]) -> None:
    columns = [Column(title="", plain=True), Column(title="x", higher_is_better=higher)]
    rows = [[Cell(text="a"), Cell(estimate=estimate([number]))] for number in (2.0, 1.0, 3.0)]
    assert [row[1].mark for row in whole_table(results, columns, rows, ()).rows] == marks


def test_equal_bests_are_both_marked_and_a_single_one_is_not(results: Results) -> None:
    columns = [Column(title="", plain=True), Column(title="x", higher_is_better=True)]

    def marks(*numbers: float) -> list[str]:
        rows = [[Cell(), Cell(estimate=estimate([number]))] for number in numbers]
        return [row[1].mark for row in whole_table(results, columns, rows, ()).rows]

    assert marks(1.0, 1.0, 0.5) == ["best", "best", "second"]
    assert marks(1.0) == [""]
    assert marks(1.0, 1.0) == ["", ""]
