import re
from copy import deepcopy
from typing import Any

import pytest

from dymu.run.jobs.client import Node
from dymu.run.jobs.verdicts import judge, judge_access
from dymu.run.provenance import versions
from dymu.run.verdict import Check

HERE = {name: versions()[name] for name in ("dymu", "ray", "torch")}


def node(host: str, **told: Any) -> dict[str, Any]:
    return {
        "id": host,
        "host": host,
        "head": host == "head",
        "resources": {"CPU": 4.0, "GPU": 0.0},
        "python": "3.11.7",
        "versions": dict(HERE),
        "gpus": {"listed": 0, "cuda": "", "nccl": False},
        "store": "",
        "mlflow": "",
        "data_root": "",
        "clock": {"ahead_s": 0.003, "within_s": 0.001},
        **told,
    }


def judged(*nodes: dict[str, Any]) -> dict[str, Check]:
    return {check.name: check for check in judge({"nodes": deepcopy(nodes)}, python="3.11.7")}


def test_a_sound_cluster_passes() -> None:
    checks = judged(node("head"), node("a"))
    assert {name for name, check in checks.items() if not check.ok} == set()
    assert checks["resources"].found == "8 CPUs, 0 GPUs"
    assert checks["clocks"].found == "head (head) +3 ms (within 1 ms), a +3 ms (within 1 ms)"


@pytest.mark.parametrize(
    ("told", "name", "words"),
    [
        ({"versions": {**HERE, "ray": "2.59.0"}}, "versions", "a has ray 2.59.0, here it is"),
        ({"versions": {**HERE, "torch": ""}}, "versions", "a has torch none"),
        ({"python": "3.12.1"}, "versions", "a has python 3.12.1, here it is 3.11.7"),
        ({"store": "is here another place"}, "store", "a: is here another place"),
        ({"mlflow": "answers with status 403"}, "mlflow", "a: answers with status 403"),
        ({"data_root": "/data is not there"}, "data root", "a: /data is not there"),
        ({"clock": {"ahead_s": -9.0, "within_s": 0.1}}, "clocks", "a -9000 ms.*run chrony"),
        ({"resources": {"CPU": 4.0, "GPU": 2.0}}, "gpus", "a offers 2 GPUs, its driver lists 0"),
        ({"error": "node died"}, "nodes", "a: node died.*raylet"),
    ],
)
def test_what_is_wrong_on_one_node_is_told_with_its_name(told: dict[str, Any], name: str, words: str) -> None:
    checks = judged(node("head"), node("a", **told))
    assert [check.name for check in checks.values() if not check.ok] == [name]
    assert re.search(words, checks[name].found)


def test_gpus_need_a_torch_that_knows_them() -> None:
    two = {"resources": {"CPU": 4.0, "GPU": 2.0}}
    without = node("a", **two, gpus={"listed": 2, "cuda": "", "nccl": False})
    assert "without CUDA" in judged(without)["gpus"].found
    alone = node("a", **two, gpus={"listed": 2, "cuda": "12.8", "nccl": False})
    assert "without NCCL" in judged(alone)["gpus"].found
    assert judged(node("a", **two, gpus={"listed": 2, "cuda": "12.8", "nccl": True}))["gpus"].ok


def test_builds_of_one_release_are_equal() -> None:
    torch = HERE["torch"].partition("+")[0]
    assert judged(node("a", versions={**HERE, "torch": f"{torch}+cu128"}))["versions"].ok


def test_a_clock_that_cannot_be_read_well_is_not_blamed() -> None:
    assert judged(node("a", clock={"ahead_s": 3.0, "within_s": 2.0}))["clocks"].ok


def test_a_head_that_runs_no_steps_is_said_to_be_alone() -> None:
    head = node("head", resources={"CPU": 0.0, "GPU": 0.0})
    assert "an autoscaler starts some" in judged(head)["resources"].found


@pytest.mark.parametrize(
    ("address", "anybody", "ok", "words"),
    [
        ("http://head:8265", False, True, "asks for a token"),
        ("http://head:8265", True, False, "RAY_AUTH_MODE=token"),
        ("http://127.0.0.1:8265", True, True, "loopback or a tunnel"),
    ],
)
def test_a_dashboard_that_anybody_can_use_is_told(address: str, anybody: bool, ok: bool, words: str) -> None:
    nodes = [Node(id="h", host="10.0.0.1", head=True, resources={})]
    state, auth = judge_access(address, nodes, anybody)
    assert state.found == "lists 1 nodes: 10.0.0.1 (head)"
    assert auth.ok is ok
    assert words in auth.found
