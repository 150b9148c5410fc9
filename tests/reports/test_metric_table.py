"""Task metrics and Delta_T: from the record where it has one, else against the arm of single-task nets."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dymu.artifacts.record import Record, Value
from dymu.reports.collect import Results, results_of
from dymu.reports.metric_table import drops, metric_table, table_of
from dymu.reports.table import Cell, Table
from dymu.reports.tables import ablation_table, study_table

# Of the synthetic tasks left, right and parity: a share, an angle and an edge loss.
METRICS = {
    "task/left/mean_iou": Value(value=0.5, higher_is_better=True, lower=0.0, upper=1.0),
    "task/right/mean_angle_error": Value(value=20.0, higher_is_better=False, lower=0.0, upper=180.0),
    "task/parity/edge_loss": Value(value=0.02, higher_is_better=False, lower=0.0),
}
PAPER = {"task/left/mean_iou": 0.6411, "task/right/mean_angle_error": 13.95, "task/parity/edge_loss": 0.018}


def with_metrics(record: Record, factor: float, suffixes: tuple[str, ...] = ("",), **values: Value) -> Record:
    """A record whose shares are larger, and whose errors smaller, by this factor."""
    metrics = {
        name + suffix: replace(value, value=value.value * (factor if value.higher_is_better else 1 / factor))
        for name, value in METRICS.items()
        for suffix in suffixes
    }
    return replace(record, values={**record.values, **metrics, **values})


@pytest.fixture
def published(study: Any, other_arm: Callable[..., Any]) -> Callable[[Callable[..., Record]], Results]:
    """Ours at two c, the single-task nets and a retrained tree; ``change`` ends each record."""

    def publish(
        change: Callable[[str, int, Record], Record] = lambda _name, _seed, record: record,
    ) -> Results:
        study.arms = {
            "baseline": other_arm("Ours"),
            "single": other_arm("Single-Task", resources=(None,), paper=PAPER),
            "retrained": other_arm("Retrained", resources=(None,), paper={"relative_drop": 0.18}),
        }

        def finish(name: str, seed: int, record: Record) -> Record:
            if name == "baseline":
                made = with_metrics(record, 1.1, ("/c=0", "/c=1"))
            elif name == "single":
                made = replace(with_metrics(record, 1.0), method="single_task")
            else:
                drop = Value(value=-2.0 + seed, higher_is_better=True, unit="%")
                made = replace(with_metrics(record, 0.9, relative_drop=drop), method="static_tree")
            return change(name, seed, made)

        study.publish(finish)
        return results_of(study.store, study.manifest)

    return publish


def cell(table: Table, row: int, column: str) -> Cell:
    return table.rows[row][[found.name for found in table.columns].index(column)]


def test_columns_are_the_task_metrics_delta_t_and_parameters(published: Callable[..., Results]) -> None:
    table = metric_table(published())
    assert [column.name for column in table.columns] == [
        "",
        "left mIoU %",
        "right error °",
        "parity loss",
        "Delta_T %",
        "Params %",
        "n",
        "Diff.",
        "p",
    ]
    assert [column.higher_is_better for column in table.columns[1:5]] == [True, False, False, True]
    assert [row[0].text for row in table.rows] == ["Ours, c = 0", "Ours, c = 1", "Single-Task", "Retrained"]
    assert any(note.startswith("Delta_T: ") for note in table.footnotes)


def test_metrics_have_the_units_and_digits_of_the_paper(published: Callable[..., Results]) -> None:
    table = metric_table(published())
    shown = [cell(table, 2, name) for name in ("left mIoU %", "right error °", "parity loss")]
    assert [found.text for found in shown] == ["50.00", "20.00", "0.020"]
    assert [found.paper for found in shown] == ["64.11", "13.95", "0.018"]


def test_a_method_without_delta_t_is_compared_with_the_single_task_arm(
    published: Callable[..., Results],
) -> None:
    results = published()
    expected = 100 * (0.1 + 2 * (1 - 1 / 1.1)) / 3
    for c in (0.0, 1.0):
        assert drops(results, results.arm("baseline"), c) == pytest.approx(dict.fromkeys(range(3), expected))
    assert cell(metric_table(results), 0, "Delta_T %").text == f"{expected:.2f}"


def test_delta_t_of_a_record_is_printed_as_it_is(published: Callable[..., Results]) -> None:
    results = published()
    assert drops(results, results.arm("retrained"), None) == {0: -2.0, 1: -1.0, 2: 0.0}
    found = cell(metric_table(results), 3, "Delta_T %")
    assert (found.text, found.paper) == ("-1.00", "0.18")


def test_single_task_nets_have_no_delta_t(published: Callable[..., Results]) -> None:
    assert cell(metric_table(published()), 2, "Delta_T %").text == "–"


def test_only_the_single_task_nets_of_the_same_seed_count(
    study: Any, published: Callable[..., Results]
) -> None:
    study.without = (("single", 1),)
    results = published()
    assert sorted(drops(results, results.arm("baseline"), 0.0)) == [0, 2]


def test_a_seed_whose_single_task_metric_is_zero_has_no_delta_t(published: Callable[..., Results]) -> None:
    def fail(name: str, seed: int, record: Record) -> Record:
        if (name, seed) != ("single", 2):
            return record
        zero = replace(record.values["task/left/mean_iou"], value=0.0)
        return replace(record, values={**record.values, "task/left/mean_iou": zero})

    results = published(fail)
    assert sorted(drops(results, results.arm("baseline"), 0.0)) == [0, 1]


def test_without_single_task_nets_there_is_no_delta_t(study: Any) -> None:
    study.publish(lambda _name, _seed, record: with_metrics(record, 1.0, ("/c=0", "/c=1")))
    results = results_of(study.store, study.manifest)
    assert drops(results, results.arm("baseline"), 0.0) == {}
    assert cell(metric_table(results), 0, "Delta_T %").text == "–"


def test_before_anything_is_measured_the_table_has_what_the_paper_prints(
    study: Any, other_arm: Callable[..., Any]
) -> None:
    study.arms = {"baseline": other_arm("Single-Task", paper=PAPER, resources=(None,))}
    study.without = tuple(("baseline", seed) for seed in study.seeds)
    study.publish()
    table = metric_table(results_of(study.store, study.manifest))
    assert [found.paper for found in table.rows[0][1:4]] == ["64.11", "13.95", "0.018"]


def test_a_table_is_chosen_by_number_or_by_what_the_records_hold(published: Callable[..., Results]) -> None:
    results = published()
    assert table_of(results) == metric_table(results) == table_of(results, 5) == table_of(results, 7)
    assert table_of(results, 3) == study_table(results)
    assert table_of(results, 6) == ablation_table(results)


def test_results_without_delta_t_are_tabulated_as_ever(results: Results) -> None:
    assert table_of(results) == ablation_table(results)


def test_p_is_of_delta_t_against_ours_at_the_same_c(published: Callable[..., Results]) -> None:
    table = metric_table(published())
    assert [cell(table, row, "p").text for row in range(4)] == ["–", "–", "–", "0.250"]
    assert any(note.startswith("Diff.: Delta_T less that of Ours") for note in table.footnotes)


def test_there_is_no_note_about_volumes_without_a_column_of_them(published: Callable[..., Results]) -> None:
    assert not any(note.startswith("HV") for note in metric_table(published()).footnotes)
