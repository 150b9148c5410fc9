from dataclasses import replace
from typing import Any

import pytest

from dymu.artifacts.record import Record
from dymu.reports.cells import cell_of, column_of, own_resources, resources_of, seeds_of, whole_table
from dymu.reports.collect import Results, results_of
from dymu.reports.compare import estimate
from dymu.reports.metric import CONTROL, FRACTION, HYPERVOLUME
from dymu.reports.table import Cell, Column
from dymu.reports.tables import ablation_table


def number_cell(number: float) -> Cell:
    return Cell(text=f"{number:.2f}", estimate=estimate([number]))


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
    rows = [[Cell(text="a"), number_cell(number)] for number in (2.0, 1.0, 3.0)]
    assert [row[1].mark for row in whole_table(results, columns, rows, ()).rows] == marks


def test_equal_bests_are_both_marked_and_a_single_one_is_not(results: Results) -> None:
    columns = [Column(title="", plain=True), Column(title="x", higher_is_better=True)]

    def marks(*numbers: float) -> list[str]:
        rows = [[Cell(), number_cell(number)] for number in numbers]
        return [row[1].mark for row in whole_table(results, columns, rows, ()).rows]

    assert marks(1.0, 1.0, 0.5) == ["best", "best", "second"]
    assert marks(1.0) == [""]
    assert marks(1.0, 1.0) == ["", ""]
    assert marks(1.001, 1.0, 0.5) == ["best", "best", "second"]  # printed alike


def test_a_row_with_fewer_seeds_than_others_is_not_marked(study: Any) -> None:
    study.without = (("no-inactive-loss", 1),)
    study.publish()
    table = ablation_table(results_of(study.store, study.manifest))
    assert [row[1].mark for row in table.rows] == ["best", "", "second"]


def test_what_answers_without_the_image_is_not_marked(study: Any) -> None:
    study.publish(
        lambda arm, _, record: replace(record, method="constant") if arm == "no-inactive-loss" else record
    )
    table = ablation_table(results_of(study.store, study.manifest))
    assert [row[1].mark for row in table.rows] == ["best", "", "second"]


def test_methods_without_control_parameters_are_not_best_at_them(study: Any) -> None:
    def without_control(arm: str, _: int, record: Record) -> Record:
        if arm != "no-affinity":
            return record
        control = replace(record.values["control_parameters"], value=0.0)
        return replace(record, values={**record.values, "control_parameters": control})

    study.publish(without_control)
    found = results_of(study.store, study.manifest)
    assert cell_of(found, found.arm("no-affinity"), CONTROL, None).ranked is False
    assert cell_of(found, found.arm("baseline"), CONTROL, None).ranked is True


def test_provenance_names_the_records_of_each_cell(results: Results) -> None:
    notes = ablation_table(results, provenance=True).footnotes
    own, ours = (
        ", ".join(f"evaluate/digits-ours-{arm}-{seed}" for seed in (0, 1, 2))
        for arm in ("no-affinity", "baseline")
    )
    compared = "Diff. c = 0, Diff. c = 1, p c = 0, p c = 1"
    assert f"Cells of no task affinity: {compared} from {own}, {ours}." in notes
    assert any(
        note.startswith("Cells of no task affinity: HV c = 0, HV c = 1,") and note.endswith(f"from {own}.")
        for note in notes
    )
