"""Charts as data."""

import json
from typing import Any

from dymu.reports.collect import Results, results_of
from dymu.reports.html.charts import charts_of


def by_id(results: Results, store: Any) -> dict[str, Any]:
    return {chart["id"]: chart for chart in charts_of(results, store)}


def test_quality_has_a_point_per_arm_seed_and_c(study: Any, results: Results) -> None:
    chart = by_id(results, study.store)["quality"]
    assert len(chart["series"]) == 3 * 3 * 2
    record = results.records["baseline", 0]
    cost, volume = record.values["active_parameters/c=0"].value, record.values["hypervolume/c=0"].value
    assert chart["series"][0]["p"] == [float(f"{cost:.4g}"), float(f"{volume:.4g}")]


def test_following_has_every_recorded_preference_of_every_task(study: Any, results: Results) -> None:
    chart = by_id(results, study.store)["following"]
    chosen = [one for one in chart["series"] if one["keys"] == {"task": "right", "c": "1"}]
    assert len(chosen) == 9
    point = results.records["baseline", 0].points[1]
    pairs = list(zip(chosen[0]["p"][::2], chosen[0]["p"][1::2], strict=True))
    expected = [(r[1], loss[1]) for r, loss in zip(point.preferences, point.losses, strict=True)]
    assert pairs == [(float(f"{x:.4g}"), float(f"{y:.4g}")) for x, y in expected]


def test_training_is_thinned_and_keeps_its_end(study: Any) -> None:
    study.publish()
    study.publish_curves(steps=500)
    charts = by_id(results_of(study.store, study.manifest), study.store)
    lines = charts["training-edge"]["series"]
    assert all(len(line["p"]) <= 2 * 122 for line in lines)
    assert {line["p"][-2] for line in lines} == {4990}


def test_steps_that_arms_share_are_drawn_once(study: Any) -> None:
    study.publish()
    study.publish_curves()
    charts = by_id(results_of(study.store, study.manifest), study.store)
    assert charts["training-anchor"]["groups"] == ["Ours = no L_inactive = no task affinity"]
    objective = [one for one in charts["training-anchor"]["series"] if one["keys"]["metric"] == "objective"]
    assert len(objective) == 3


def test_the_objective_comes_first(study: Any) -> None:
    study.publish()
    study.publish_curves()
    charts = by_id(results_of(study.store, study.manifest), study.store)
    assert charts["training-edge"]["filters"][0]["options"][0]["value"] == "objective"


def test_charts_without_logs_are_left_out_and_all_are_json(study: Any, results: Results) -> None:
    charts = charts_of(results, study.store)
    assert [chart["id"] for chart in charts] == ["quality", "following"]
    assert json.loads(json.dumps(charts, allow_nan=False)) == charts


def test_a_method_without_c_is_shown_at_every_c(grid_study: Any) -> None:
    grid_study.publish()
    chart = by_id(results_of(grid_study.store, grid_study.manifest), grid_study.store)["following"]
    grid = chart["groups"].index("Static MTL")
    assert {tuple(one["keys"]) for one in chart["series"] if one["g"] == grid} == {("task",)}
    assert [option["value"] for option in chart["filters"][1]["options"]] == ["0", "1"]
