import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from dymu.artifacts.record import Record
from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.reports.collect import Kind, Missing, Results, find_results, protocol_of, results_of


def find(
    store: Store,
    number: int | None = None,
    kind: Kind = "table",
    study: str | None = None,
    question: str | None = None,
) -> str:
    return find_results(store, number=number, kind=kind, study=study, question=question).manifest.name


def test_all_records_of_a_manifest_are_found(results: Results) -> None:
    assert sorted(results.records) == [
        (arm, seed) for arm in ("baseline", "no-affinity", "no-inactive-loss") for seed in (0, 1, 2)
    ]
    assert results.missing == ()
    assert results.values("no-affinity", "hypervolume/c=1") == pytest.approx({0: 6.7, 1: 7.0, 2: 7.3})
    assert results.resource_preferences("baseline") == (0.0, 1.0)


def test_what_is_not_there_is_listed(study: Any) -> None:
    study.without = (("no-affinity", 2),)
    study.publish()
    found = results_of(study.store, study.manifest)
    assert found.missing == (
        Missing(arm="no-affinity", seed=2, address="evaluate/digits-ours-no-affinity-2"),
    )


def test_an_arm_that_was_not_run_is_missing_at_every_seed(study: Any) -> None:
    study.publish()
    arms = list(study.manifest.arms)
    arms[1] = dataclasses.replace(arms[1], steps={})
    found = results_of(study.store, dataclasses.replace(study.manifest, arms=tuple(arms)))
    assert [(entry.seed, entry.address) for entry in found.missing] == [(0, ""), (1, ""), (2, "")]


def test_a_table_is_found_by_its_number(study: Any) -> None:
    study.publish()
    study.question, study.source = "preference_sampling", "Table 61"
    study.publish()
    assert find(study.store, 6) == "digits-ours.branching_regularizer"


@pytest.mark.parametrize("number", [5, 7, 9, 12])
def test_figures_of_the_arms_of_table_6_are_found(study: Any, number: int) -> None:
    study.publish()
    assert find(study.store, number, "figure") == "digits-ours.branching_regularizer"


@pytest.mark.parametrize("text", ["studies.digits:ours", "mine.digits:ours", "digits-ours"])
def test_a_study_is_found_by_what_the_user_types(study: Any, text: str) -> None:
    study.publish()
    study.name = "scenes-ours"
    study.publish()
    assert find(study.store, 6, study=text) == "digits-ours.branching_regularizer"


def test_underscores_of_a_study_are_hyphens_in_its_name(study: Any) -> None:
    study.name, study.question = "digits-single-task", ""
    study.publish()
    assert find(study.store, study="studies.digits:single_task") == "digits-single-task"


@pytest.mark.parametrize("text", ["ablations.branching_regularizer", "branching_regularizer"])
def test_a_question_is_found_by_what_the_user_types(study: Any, text: str) -> None:
    study.publish()
    study.question = "active_threshold"
    study.publish()
    assert find(study.store, question=text) == "digits-ours.branching_regularizer"


def test_several_candidates_are_listed(study: Any) -> None:
    study.publish()
    study.name = "scenes-ours"
    study.publish()
    with pytest.raises(ReportError, match=r"digits-ours\.branch.*, scenes-ours\.branch.*--study STUDY"):
        find(study.store, 6)


def test_an_empty_store_says_what_to_run(store: Store) -> None:
    with pytest.raises(ReportError, match=r"it is empty.*`dymu run ablations.branching_regularizer`"):
        find(store, 6)


def test_a_question_that_was_not_asked_says_what_there_is_and_what_to_run(study: Any) -> None:
    study.publish()
    there = r"table 8, study studies.digits:ours: there is digits-ours.branching_regularizer \(Table 6\)"
    command = "`dymu run ablations.preference_sampling --study studies.digits:ours`"
    with pytest.raises(ReportError, match=f"no results for {there}. Make them: {command}"):
        find(study.store, 8, study="studies.digits:ours")


def test_studies_of_one_module_stand_in_one_table(study: Any) -> None:
    study.question = ""
    for name in ("digits-ours", "digits-phn-bn"):
        study.name = name
        study.arms = {"baseline": study.arms["baseline"]}
        study.publish()
    found = find_results(study.store, number=None, kind="table", study="studies.digits", question=None)
    assert [arm.name for arm in found.arms] == ["digits-ours", "digits-phn-bn"]
    assert len(found.records) == 6
    assert find(study.store, 2) == "digits"


def test_figure_6_is_found_by_the_row_that_is_from_it(grid_study: Any) -> None:
    grid_study.publish()
    grid_study.question, grid_study.arms = "adaptation", {"baseline": grid_study.arms["baseline"]}
    grid_study.publish()
    assert find(grid_study.store, 6, "figure") == "digits-ours.baselines"


def test_figure_6_is_found_among_the_studies_of_a_module(grid_study: Any) -> None:
    arms = dict(grid_study.arms)
    arms["static-grid"].source = ""
    grid_study.question, grid_study.source = "", ""
    for name, arm in (("digits-ours", "baseline"), ("digits-static-grid", "static-grid")):
        grid_study.name, grid_study.arms = name, {"baseline": arms[arm]}
        grid_study.publish()
    assert find(grid_study.store, 6, "figure", study="studies.digits") == "digits"
    assert find(grid_study.store, 6, "figure") == "digits"


def test_without_a_static_grid_figure_6_says_what_to_run(study: Any) -> None:
    study.publish()
    with pytest.raises(ReportError, match=r"no results for figure 6: .*`dymu run ablations.baselines`"):
        find(study.store, 6, "figure")


def spoiled(**changes: Any) -> Callable[[str, int, Record], Record]:
    def change(arm: str, seed: int, record: Record) -> Record:
        return dataclasses.replace(record, **changes) if (arm, seed) == ("no-affinity", 1) else record

    return change


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"data_digest": "other"}, "the digest of the data is 'digest of the data' and 'other'"),
        ({"reference_point": (2.0, 2.0, 2.0)}, "the reference point"),
        ({"tasks": ("a", "b", "c")}, "the list of tasks"),
    ],
)
def test_what_was_measured_differently_does_not_share_a_table(
    study: Any, changes: dict[str, Any], what: str
) -> None:
    study.publish(spoiled(**changes))
    with pytest.raises(ReportError, match=f"arm no-affinity at seed 1.*{what}"):
        results_of(study.store, study.manifest)


def test_another_protocol_does_not_share_a_table_unless_the_arm_declares_it(
    study: Any, other_arm: Callable[..., Any]
) -> None:
    study.arms["running"] = other_arm("running", changes={"evaluation.statistics": "running"})
    study.publish()
    assert len(results_of(study.store, study.manifest).records) == 12
    study.arms["running"].changes = {"method.weight": None}
    with pytest.raises(ReportError, match=r"evaluation\.statistics is 'batch' and 'running'"):
        results_of(study.store, study.manifest)


def test_the_protocol_is_found_in_the_config_of_a_record(results: Results) -> None:
    record = results.records["baseline", 0]
    assert protocol_of(record)["num_preferences"] == 20


def test_ad_hoc_results_are_refused(study: Any) -> None:
    for arm in study.arms.values():
        arm.ad_hoc = {"method.edge.active_threshold": 0.3}
    study.publish()
    with pytest.raises(ReportError, match=r"method\.edge\.active_threshold=0\.3.*never put in a table"):
        results_of(study.store, study.manifest)
    with pytest.raises(ReportError, match="no results"):
        find(study.store, 6)


def test_one_ad_hoc_arm_is_left_out(study: Any) -> None:
    study.arms["no-affinity"].ad_hoc = {"x": 1}
    study.publish()
    found = results_of(study.store, study.manifest)
    assert [arm.name for arm in found.arms] == ["baseline", "no-inactive-loss"]
    assert [arm.name for arm in found.excluded] == ["no-affinity"]


def test_reading_needs_no_permission_to_write(study: Any) -> None:
    study.publish()
    store = Store(study.store.root, read_only=True)
    assert find(store, 6) == "digits-ours.branching_regularizer"


def test_a_hundred_records_are_read_in_no_time(study: Any) -> None:
    study.seeds, study.cost_sample = tuple(range(34)), 1000
    study.publish()
    began = time.process_time()
    results_of(study.store, study.manifest)
    assert time.process_time() - began < 2


def test_importing_reports_loads_neither_torch_nor_mlflow_nor_ray() -> None:
    code = (
        "import sys, time; began = time.process_time();"
        "from dymu.reports import collect, tables, render, claims, figures;"
        "loaded = {'torch', 'mlflow', 'ray', 'pandas'} & set(sys.modules);"
        "assert not loaded, loaded; assert time.process_time() - began < 3"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
