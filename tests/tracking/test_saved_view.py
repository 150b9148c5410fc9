import json
from typing import Any

from dymu.tracking.saved_view import saved_view, short_name, view_columns, view_path


def test_columns_are_hypervolume_uniformity_and_parameters_per_c() -> None:
    names = ["active_parameters/c=0", "uniformity/c=1", "uniformity/c=0", "hypervolume/c=0"]
    others = ["hypervolume/c=0/sd", "best_point_hypervolume/c=0", "uniformity_floor", "loss/left/c=0"]
    assert view_columns([*names, *others]) == (
        "hypervolume/c0",
        "uniformity/c0",
        "uniformity/c1",
        "active_parameters/c0",
    )


def test_a_view_groups_the_seeds_of_one_question_by_arm(study: Any) -> None:
    key, value = saved_view(study.manifest, ["hypervolume/c0"], created_ms=7)
    form = json.loads(value)
    assert (form["name"], form["createdAt"]) == ("arms of parts", 7)
    state = json.loads(form["state"])
    assert state["groupBy"]["groupByKeys"] == [{"mode": "param", "groupByData": "arm"}]
    assert state["searchFilter"] == "tags.`dymu.role` = 'seed' AND tags.`dymu.manifest` = 'toy.parts'"
    assert state["selectedColumns"] == ["metrics.`hypervolume/c0`"]
    assert view_path("3", study.manifest.name).endswith("viewStateShareKey=" + key.rpartition(".")[2])


def test_inside_its_experiment_a_question_needs_no_study(study: Any) -> None:
    assert short_name(study.manifest) == "parts"
