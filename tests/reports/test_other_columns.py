"""Hypervolume at other reference points, beside the paper's where that is doubtful."""

from dataclasses import replace
from typing import Any

import pytest

from dymu.artifacts.record import Record, Value
from dymu.metrics.hypervolume import hypervolume
from dymu.reports.collect import Results, results_of
from dymu.reports.other_columns import OtherColumns
from dymu.reports.tables import ablation_table, study_table

PASCAL3 = ("segmentation", "parts", "saliency")


@pytest.fixture
def pascal(study: Any) -> Results:
    study.tasks = PASCAL3
    study.question, study.source = "baselines_pascal3", "Table 2"
    study.publish()
    return results_of(study.store, study.manifest)


def test_other_tasks_have_no_such_column(results: Results) -> None:
    assert OtherColumns(results).metrics == ()
    assert list(OtherColumns(results).notes()) == []


def test_pascal_with_three_tasks_has_a_column_at_two(pascal: Results) -> None:
    table = study_table(pascal)
    titles = [column.title for column in table.columns]
    assert titles[:3] == ["", "HV", "HV at 2"]
    record = pascal.records["baseline", 0]
    found = table.rows[0][2]
    volumes = [
        hypervolume(pascal.records["baseline", seed].points[0].losses, (2.0, 2.0, 2.0)) for seed in (0, 1, 2)
    ]
    assert found.estimate is not None
    assert found.estimate.mean == pytest.approx(sum(volumes) / 3)
    assert found.addresses[0] == record.address
    assert any(note.startswith("HV at 2: (2, 2, 2) fits") for note in table.footnotes)


def test_the_table_of_an_ablation_has_it_at_each_c(pascal: Results) -> None:
    names = [column.name for column in ablation_table(pascal).columns]
    assert names[1:5] == ["HV c = 0", "HV c = 1", "HV at 2 c = 0", "HV at 2 c = 1"]


def test_a_table_of_very_many_records_says_that_it_has_none(pascal: Results) -> None:
    record = pascal.records["baseline", 0]
    many = replace(pascal, records={("baseline", seed): replace(record, seed=seed) for seed in range(201)})
    columns = OtherColumns(many)
    assert columns.metrics == ()
    assert next(columns.notes()).endswith("; not computed in a table of more than 200 records.")


def test_many_tasks_that_share_a_metric_have_their_interquartile_mean(study: Any) -> None:
    study.tasks = tuple(f"group_{number}" for number in range(8))
    study.seeds = tuple(range(8))

    def change(_: str, seed: int, record: Record) -> Record:
        shares = {
            f"task/{task}/accuracy/c={c}": Value(
                value=0.05 * number + 0.01 * seed, higher_is_better=True, lower=0.0, upper=1.0
            )
            for number, task in enumerate(study.tasks)
            for c in (0, 1)
        }
        return replace(record, values={**record.values, **shares})

    study.publish(change)
    table = study_table(results_of(study.store, study.manifest))
    assert [column.title for column in table.columns][1:3] == ["HV", "accuracy IQM %"]
    found = table.rows[0][2]
    assert found.estimate is not None
    assert found.estimate.mean == pytest.approx(5 * 3.5 + 3.5)
    assert found.detail.startswith("bootstrap [")
    assert "(n = 8)" in found.detail
    assert any(
        note.startswith("accuracy IQM %: interquartile mean over the 8 tasks") for note in table.footnotes
    )
