from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dymu.reports.collect import Results, find_results, results_of
from dymu.reports.render import markdown
from dymu.reports.table import Cell, Table
from dymu.reports.tables import ablation_table, study_table

GOLDEN = Path(__file__).with_name("table_6.md")


def cell(table: Table, row: int, column: str) -> Cell:
    names = [found.name for found in table.columns]
    return table.rows[row][names.index(column)]


def test_table_6_reads_as_it_did(study: Any) -> None:
    study.without = (("no-affinity", 2),)
    study.dirty = ("no-inactive-loss",)
    study.publish()
    text = markdown(ablation_table(results_of(study.store, study.manifest), provenance=True))
    assert text == GOLDEN.read_text(encoding="utf-8"), (
        f"The table is printed differently. If that is meant, tell CHANGELOG.md and make {GOLDEN.name}:\n"
        + text
    )


def test_columns_are_volume_uniformity_and_parameters_at_each_c(results: Results) -> None:
    names = [column.name for column in ablation_table(results).columns]
    assert names == [
        "",
        "HV c = 0",
        "HV c = 1",
        "Unif. c = 0",
        "Unif. c = 1",
        "Params % c = 0",
        "Params % c = 1",
        "n",
        "Diff. c = 0",
        "Diff. c = 1",
        "p c = 0",
        "p c = 1",
    ]


def test_a_cell_has_mean_interval_absolute_number_and_the_papers_value(results: Results) -> None:
    found = cell(ablation_table(results), 0, "Params % c = 0")
    assert found.estimate is not None
    assert found.estimate.n == 3
    assert found.text == f"{found.estimate.mean:.1f}"
    assert found.detail == f"{found.estimate.mean * 240 / 1000:.1f}k"
    assert found.paper == "63.7 (41.06M)"


def test_best_and_second_best_are_marked_in_the_direction_of_the_metric(results: Results) -> None:
    table = ablation_table(results)
    assert [row[1].mark for row in table.rows] == ["second", "best", ""]
    assert [row[5].mark for row in table.rows] == ["second", "", "best"]


def test_a_missing_arm_has_a_row_and_a_note(study: Any) -> None:
    study.without = tuple(("no-affinity", seed) for seed in (0, 1, 2))
    study.publish()
    table = ablation_table(results_of(study.store, study.manifest))
    assert table.rows[2][0].text == "no task affinity (a)"
    assert [found.text for found in table.rows[2][1:]] == ["missing"] * 6 + ["0", "–", "–", "–", "–"]
    (note,) = [note for note in table.footnotes if note.startswith("(a)")]
    assert "evaluate/digits-ours-no-affinity-1" in note
    assert "`dymu run ablations.branching_regularizer --arm no-affinity --seed-list 0,1,2` makes it" in note


def test_a_table_of_nothing_but_missing_rows_still_has_the_paper(study: Any) -> None:
    study.without = tuple((arm, seed) for arm in study.arms for seed in study.seeds)
    study.publish()
    table = ablation_table(results_of(study.store, study.manifest))
    assert cell(table, 0, "HV c = 1").paper == "13.08"
    assert table.footnotes[0] == "Nothing was measured yet."


def test_one_seed_has_no_interval_and_says_so(study: Any) -> None:
    study.seeds = (4,)
    study.publish()
    table = ablation_table(results_of(study.store, study.manifest))
    assert {found.spread for row in table.rows for found in row} == {""}
    assert table.footnotes[0] == "One seed (4): no interval."


def test_reference_point_and_floor_are_named(results: Results) -> None:
    (note,) = [note for note in ablation_table(results).footnotes if note.startswith("HV")]
    assert "below (3, 3, 3)" in note
    assert "0.735" in note


def test_uncommitted_code_is_a_note_per_row_or_one_for_all(study: Any) -> None:
    study.dirty = tuple(study.arms)
    study.publish()
    table = ablation_table(results_of(study.store, study.manifest))
    assert table.rows[0][0].text == "Ours"
    assert "All rows were made by code with changes that are in no commit." in table.footnotes


def test_provenance_lists_address_and_revision_of_each_record(results: Results) -> None:
    notes = ablation_table(results, provenance=True).footnotes
    assert "no task affinity, seed 2: evaluate/digits-ours-no-affinity-2, code abc." in notes


def test_an_ad_hoc_arm_is_named_as_left_out(study: Any) -> None:
    study.arms["no-affinity"].ad_hoc = {"method.edge.steps": 5}
    study.publish()
    table = ablation_table(results_of(study.store, study.manifest))
    assert len(table.rows) == 2
    assert any(note.startswith("Left out: no task affinity") for note in table.footnotes)


def test_an_arm_with_a_protocol_of_its_own_says_so(study: Any, other_arm: Callable[..., Any]) -> None:
    study.arms["running"] = other_arm("running", changes={"evaluation.statistics": "running"})
    study.publish()
    table = ablation_table(results_of(study.store, study.manifest))
    assert any("evaluation.statistics = running" in note for note in table.footnotes)


def test_methods_with_and_without_c_stand_in_one_study_table(
    study: Any, other_arm: Callable[..., Any]
) -> None:
    study.question = ""
    study.arms = {"baseline": other_arm("Ours")}
    study.publish()
    study.name = "digits-phn-bn"
    study.arms = {"baseline": other_arm("PHN-BN", resources=(None,))}
    study.publish()
    found = find_results(study.store, number=None, kind="table", study="studies.digits", question=None)
    table = ablation_table(found)
    assert table == study_table(found)
    assert [row[0].text for row in table.rows] == ["Ours, c = 0", "Ours, c = 1", "PHN-BN"]
    assert [column.title for column in table.columns] == [
        "",
        "HV",
        "Unif.",
        "Params %",
        "MACs",
        "Control",
        "n",
    ]
    assert table.columns[1].higher_is_better is True
    assert cell(table, 2, "Control").text == "5.2k"


@pytest.mark.parametrize("volume", [0.0102, 0.5, 120.0])
def test_small_hypervolumes_keep_their_digits(
    study: Any, other_arm: Callable[..., Any], volume: float
) -> None:
    study.arms = {"baseline": other_arm("Ours", volume=volume + 0.0, resources=(0.0,))}
    study.seeds = (1,)
    study.publish()
    found = cell(ablation_table(results_of(study.store, study.manifest)), 0, "HV c = 0")
    assert float(found.text) == pytest.approx(volume, rel=0.03)


def test_a_cell_knows_the_records_behind_it(results: Results) -> None:
    found = cell(ablation_table(results), 1, "HV c = 0")
    assert found.addresses == tuple(f"evaluate/digits-ours-no-inactive-loss-{seed}" for seed in (0, 1, 2))


def test_each_row_has_its_number_of_seeds(study: Any) -> None:
    study.without = (("no-affinity", 2),)
    study.publish()
    table = ablation_table(results_of(study.store, study.manifest))
    assert [cell(table, row, "n").text for row in range(3)] == ["3", "3", "2"]


def test_one_seed_has_no_p(study: Any) -> None:
    study.seeds = (0,)
    study.publish()
    table = ablation_table(results_of(study.store, study.manifest))
    assert not {"p", "Diff."} & {column.title for column in table.columns}
    assert not any(note.startswith("p:") for note in table.footnotes)


def test_a_method_that_was_not_measured_has_the_rows_that_the_paper_has(
    study: Any, other_arm: Callable[..., Any]
) -> None:
    study.arms["phn"] = other_arm("PHN", resources=(None,))
    study.without = tuple(("baseline", seed) for seed in study.seeds)
    study.publish()
    table = study_table(results_of(study.store, study.manifest))
    assert [row[0].text for row in table.rows[:2]] == ["Ours (a), c = 0", "Ours (a), c = 1"]
    assert [cell(table, row, "HV").paper for row in (0, 1)] == ["13.43", "13.08"]


def test_before_anything_is_measured_columns_have_their_direction(study: Any) -> None:
    study.without = tuple((arm, seed) for arm in study.arms for seed in study.seeds)
    study.publish()
    table = ablation_table(results_of(study.store, study.manifest))
    assert [column.higher_is_better for column in table.columns[1:7]] == [True] * 4 + [False] * 2


def test_what_stands_in_for_a_table_is_its_first_note(study: Any) -> None:
    study.question, study.source = "baselines", "Table 3"
    study.publish()
    found = find_results(study.store, number=3, kind="table", study=None, question=None)
    assert study_table(found).footnotes[0].startswith("Table 3 of the paper is the question")
