from typing import Any

import pytest

from dymu.artifacts.store import Store
from dymu.errors import BackendError
from dymu.run.cluster import gate
from dymu.run.cluster.cargo import Cargo
from dymu.run.cluster.gate import START_TIMEOUT_S, Gate
from dymu.run.place import Place
from dymu.run.resources import GIB, Resources

NEED = Resources(workers=2, cpus=1, gpus=0)
LARGE: list[dict[str, float]] = [{"CPU": 2.0, "memory": 8.0 * GIB}]


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    present: list[Any] = list(LARGE)
    monkeypatch.setattr(gate, "nodes_possible", lambda: present)
    return present


@pytest.fixture
def made(store: Store, place: Place, nodes: list[Any]) -> Gate:
    del nodes
    return Gate(Cargo(place=place, location=store.location, stop="stop/1", scratch="", owned=True), NEED)


def test_waiting_for_resources_may_take_as_long_as_it_takes(made: Gate) -> None:
    for attempt in range(100):
        made.attempt(attempt * (START_TIMEOUT_S + 1))


def test_a_stop_ends_the_waiting(made: Gate, store: Store) -> None:
    made.attempt(0.0)
    store.flag("stop/1").raise_()
    with pytest.raises(BackendError, match="a stop was requested"):
        made.attempt(START_TIMEOUT_S + 1)


def test_processes_that_do_not_come_up_are_not_tried_for_ever(made: Gate) -> None:
    for attempt in range(5):
        made.attempt(attempt * 1.0)
    with pytest.raises(BackendError, match=r"processes of 2 workers .* failed to start 5 times"):
        made.attempt(5.0)


def test_restarts_of_workers_that_ran_are_not_counted(made: Gate) -> None:
    for attempt in range(20):
        made.attempt(attempt * 1.0)
        made.started()


def test_a_cluster_that_became_too_small_is_given_five_minutes(made: Gate, nodes: list[Any]) -> None:
    made.attempt(0.0)
    nodes[:] = [{"CPU": 1.0, "memory": 8.0 * GIB}]
    made.attempt(100.0)
    made.attempt(390.0)
    nodes[:] = LARGE
    made.attempt(410.0)  # a node came back
    nodes[:] = []
    made.attempt(500.0)
    with pytest.raises(BackendError, match=r"needs 2 workers with 1 CPUs.* the nodes have: nothing"):
        made.attempt(800.0)
