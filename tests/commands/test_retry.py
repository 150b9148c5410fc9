import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Dymu = Callable[..., Any]

HERE = ("--backend", "local", "--no-tracking")


def test_only_what_failed_runs_again(finished: Dymu, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("store/artifacts/*/*/DONE.json")}
    said = finished("retry", "--failed", *HERE)
    assert said.code == 1  # its loss is not finite this time either
    assert "Again: broken seed 0 weight (TrainingError" in said.flat
    assert "2 to run in 1 chain" in said.flat
    after = {path: path.stat().st_mtime_ns for path in tmp_path.glob("store/artifacts/*/*/DONE.json")}
    assert after == before


def test_on_a_cluster_just_that_is_submitted(finished: Dymu, cluster: Any) -> None:
    said = finished("retry", "--failed", "--address", "http://head:8265", "--no-tracking", "--threads", "2")
    assert said.code == 0, said.err
    words = shlex.split(cluster.orders[0].entrypoint)
    assert words[3:11] == ["run", "toy_question", "--arm", "broken", "--seed-list", "0", "--threads", "2"]


@pytest.mark.usefixtures("cluster")
def test_what_is_submitted_again_counts_as_failed_no_more(finished: Dymu) -> None:
    finished("retry", "--failed", "--address", "http://head:8265", "--no-tracking")
    (study,) = finished("status", "--json").json["studies"]
    assert "failed" not in {stage["state"] for stage in study["stages"]}


def test_a_study_without_failures_is_left_alone(dymu: Dymu, run_here: Dymu) -> None:
    run_here("toy_studies:ours")
    said = dymu("retry", "--failed", *HERE)
    assert said.code == 4
    assert "no step of toy_studies-ours has failed" in said.err


def test_what_to_repeat_must_be_said(finished: Dymu) -> None:
    assert "say what to repeat: --failed" in finished("retry", *HERE).err


def test_a_question_about_another_study_is_asked_so_again(dymu: Dymu, run_here: Dymu) -> None:
    changed = ("--arm", "broken", "-o", "method.edge.seconds=0.0", "-o", "method.edge.num_steps=5")
    assert run_here("toy_question", "--study", "toy_studies:slow", *changed).code == 1
    said = dymu("retry", "--failed", *HERE)
    assert said.code == 1
    assert "Again: broken seed 0 weight" in said.flat
    assert "2 to run in 1 chain" in said.flat
