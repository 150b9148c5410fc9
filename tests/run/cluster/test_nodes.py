import math
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray._private.state import state

from dymu.run.cluster.nodes import nodes_possible, nodes_there


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    kinds: list[Any] = []
    listed = [
        {"Alive": True, "Resources": {"CPU": 2.0, "memory": 100.0}},
        {"Alive": False, "Resources": {"CPU": 64.0}},
    ]
    monkeypatch.setattr(ray, "nodes", lambda: listed)
    monkeypatch.setattr(state, "get_cluster_config", lambda: SimpleNamespace(node_group_configs=kinds))
    return kinds


def test_only_nodes_that_are_alive_count(cluster: list[Any]) -> None:
    assert nodes_there() == [{"CPU": 2.0, "memory": 100.0}]
    assert nodes_possible() == nodes_there()
    assert cluster == []


def test_an_autoscaler_may_start_more(cluster: list[Any]) -> None:
    cluster += [
        SimpleNamespace(max_count=1, resources={"CPU": 0, "memory": 50}),
        SimpleNamespace(max_count=3, resources={"CPU": 8, "GPU": 4}),
    ]
    assert nodes_possible() == [{"CPU": 0, "memory": 50}, *[{"CPU": 8, "GPU": 4, "memory": math.inf}] * 3]


def test_a_kind_without_limit_has_many(cluster: list[Any]) -> None:
    cluster.append(SimpleNamespace(max_count=-1, resources={"CPU": 1}))
    assert len(nodes_possible()) > 10
