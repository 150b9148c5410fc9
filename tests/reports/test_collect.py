import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from dymu.artifacts.record import Record
from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.reports.collect import Missing, Results, find_results, results_of


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
    where = r"arm no-affinity at seed 1 \(evaluate/digits-ours-no-affinity-1\)"
    with pytest.raises(ReportError, match=f"{where}.*{what}"):
        results_of(study.store, study.manifest)


def test_a_record_does_not_count_for_two_seeds(study: Any) -> None:
    study.publish()
    manifest = study.manifest
    baseline = manifest.arms[0]
    twice = dataclasses.replace(baseline, steps={**baseline.steps, "1": baseline.steps["0"]})
    with pytest.raises(ReportError, match=r"baseline: .* stands for seed 1 and is a record of seed 0"):
        results_of(study.store, dataclasses.replace(manifest, arms=(twice, *manifest.arms[1:])))


def test_another_protocol_does_not_share_a_table_unless_the_arm_declares_it(
    study: Any, other_arm: Callable[..., Any]
) -> None:
    study.arms["running"] = other_arm("running", changes={"evaluation.statistics": "running"})
    study.publish()
    assert len(results_of(study.store, study.manifest).records) == 12
    study.arms["running"].changes = {"method.weight": None}
    with pytest.raises(ReportError, match=r"evaluation\.statistics is 'batch' and 'running'"):
        results_of(study.store, study.manifest)


def test_ad_hoc_results_are_refused(study: Any) -> None:
    for arm in study.arms.values():
        arm.ad_hoc = {"method.edge.active_threshold": 0.3}
    study.publish()
    with pytest.raises(ReportError, match=r"method\.edge\.active_threshold=0\.3.*never put in a table"):
        results_of(study.store, study.manifest)
    with pytest.raises(ReportError, match="no results"):
        find_results(study.store, number=6, kind="table", study=None, question=None)


def test_one_ad_hoc_arm_is_left_out(study: Any) -> None:
    study.arms["no-affinity"].ad_hoc = {"x": 1}
    study.publish()
    found = results_of(study.store, study.manifest)
    assert [arm.name for arm in found.arms] == ["baseline", "no-inactive-loss"]
    assert [arm.name for arm in found.excluded] == ["no-affinity"]


def test_reading_needs_no_permission_to_write(study: Any) -> None:
    study.publish()
    store = Store(study.store.root, read_only=True)
    found = find_results(store, number=6, kind="table", study=None, question=None)
    assert found.manifest.name == "digits-ours.branching_regularizer"


def test_what_differs_is_listed_where_that_is_allowed(study: Any) -> None:
    study.publish(spoiled(data_digest="other"))
    (mixture,) = results_of(study.store, study.manifest, allow_mixed=True).mixed
    assert [value for value, _ in mixture.sides] == ["digest of the data", "other"]
    assert mixture.sides[1][1] == (("no-affinity", 1),)


def test_other_tasks_are_refused_whatever_is_allowed(study: Any) -> None:
    study.publish(spoiled(tasks=("a", "b", "c")))
    with pytest.raises(ReportError, match="the list of tasks"):
        results_of(study.store, study.manifest, allow_mixed=True)


def test_studies_of_one_module_stand_in_one_table(study: Any) -> None:
    study.question = ""
    for name in ("digits-ours", "digits-phn-bn"):
        study.name = name
        study.arms = {"baseline": study.arms["baseline"]}
        study.publish()
    found = find_results(study.store, number=None, kind="table", study="studies.digits", question=None)
    assert [arm.name for arm in found.arms] == ["digits-ours", "digits-phn-bn"]
    assert len(found.records) == 6


def test_tables_do_not_ask_for_points(study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    study.evaluation["resource_preferences"] = [0.0, 1.0]
    study.publish()
    found = results_of(study.store, study.manifest)
    monkeypatch.setattr(json, "loads", None)
    assert found.resource_preferences("baseline") == (0.0, 1.0)


def test_a_resource_preference_with_many_digits_is_exact(study: Any, other_arm: Callable[..., Any]) -> None:
    study.arms = {"baseline": other_arm("Ours", resources=(1 / 3, 0.5))}
    study.publish()
    assert results_of(study.store, study.manifest).resource_preferences("baseline") == (1 / 3, 0.5)


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
        "assert not loaded, loaded; assert time.process_time() - began < 6"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
