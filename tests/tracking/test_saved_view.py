import json
from typing import Any

from dymu.tracking.naming import metric_keys
from dymu.tracking.saved_view import saved_view, short_name, view_columns, view_path


def test_columns_are_hypervolume_uniformity_and_parameters_per_c() -> None:
    shown = ("HV/c0", "unif/c0", "unif/c1", "params/c0")
    others = {"HV/c0/sd", "best_point_hypervolume/c0", "uniformity_floor", "loss/left/c0"}
    assert view_columns({*shown, *others}) == shown


def test_a_method_without_c_has_columns_too() -> None:
    names = ["hypervolume", "hypervolume/c=0", "uniformity", "uniformity/sd"]
    assert view_columns(metric_keys(names).values()) == ("HV", "HV/c0", "unif")


def test_a_view_groups_the_seeds_of_one_question_by_arm(study: Any) -> None:
    key, value = saved_view(study.manifest, ["HV/c0"], created_ms=7)
    form = json.loads(value)
    assert (form["name"], form["createdAt"]) == ("arms of parts", 7)
    state = json.loads(form["state"])
    assert state["groupBy"]["groupByKeys"] == [{"mode": "param", "groupByData": "arm"}]
    assert state["searchFilter"] == "tags.`dymu.role` = 'seed' AND tags.`dymu.manifest` = 'toy.parts'"
    assert state["selectedColumns"] == ["metrics.`HV/c0`"]
    assert view_path("3", study.manifest.name).endswith("viewStateShareKey=" + key.rpartition(".")[2])


def test_a_view_is_a_line_an_arm_with_metrics_beside_its_name(study: Any) -> None:
    state = json.loads(json.loads(saved_view(study.manifest, ["unif/c0"], created_ms=7)[1])["state"])
    names = [arm.name for arm in study.manifest.arms]
    assert state["groupsExpanded"] == {f"param.arm.{name}": False for name in names}
    order = state["columnOrder"]
    assert order.index("attributes.`Run Name`") < order.index("metrics.`unif/c0`") < order.index("duration")
    assert set(state["columnWidths"]) == set(order)


def test_inside_its_experiment_a_question_needs_no_study(study: Any) -> None:
    assert short_name(study.manifest) == "parts"
