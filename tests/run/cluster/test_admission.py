from collections.abc import Callable
from dataclasses import replace

import pytest

from dymu.run.cluster.admission import DRIVER_MEMORY, Admission, has_workers, largest, trial_bundle
from dymu.run.place import Place
from dymu.run.plan import Plan
from dymu.run.resources import GIB, Resources, resource_table

Planner = Callable[..., Plan]

ONE = Resources(cpus=1, gpus=0)
PAIR = Resources(workers=2, cpus=1, gpus=0)


def node(cpus: float, memory: float = 64 * GIB, gpus: float = 0) -> dict[str, float]:
    return {"CPU": cpus, "GPU": gpus, "memory": memory}


def test_groups_of_workers_are_booked_as_a_whole() -> None:
    admission = Admission([node(2)])
    assert admission.admit("a", PAIR)
    assert not admission.admit("b", PAIR)
    admission.release("a")
    assert admission.admit("b", PAIR)


def test_a_group_may_lie_on_several_nodes_and_a_worker_may_not() -> None:
    assert Admission([node(1), node(1)]).admit("a", PAIR)
    admission = Admission([node(3), node(3)])
    assert admission.admit("a", ONE)
    assert admission.admit("b", Resources(workers=2, cpus=2, gpus=0))
    assert not admission.admit("c", Resources(workers=1, cpus=2, gpus=0))  # two CPUs are free, on two nodes


def test_shapes_are_mixed() -> None:
    admission = Admission([node(8, gpus=2)])
    half = Resources(workers=1, cpus=1, gpus=0.5)
    assert all(admission.admit(f"half {number}", half) for number in range(2))
    assert admission.admit("whole", Resources(workers=1, cpus=1, gpus=1))
    assert not admission.admit("another", half)
    assert admission.admit("no gpu", PAIR)


def test_one_more_may_be_let_in_ahead_and_takes_the_next_room() -> None:
    admission = Admission([node(2)])
    for name in "ab":
        assert admission.admit(name, ONE, ahead=True)
    assert admission.admit("c", ONE, ahead=True)
    assert not admission.admit("d", ONE, ahead=True)
    admission.release("a")  # c starts
    assert admission.admit("d", ONE, ahead=True)
    admission.release("d")  # it had not started
    admission.release("b")
    assert admission.admit("e", ONE)


def test_a_limit_is_never_exceeded() -> None:
    admission = Admission([node(8)], limit=2)
    assert [admission.admit(name, ONE, ahead=True) for name in "abc"] == [True, True, False]


def test_a_single_chain_is_let_in_although_it_does_not_seem_to_fit() -> None:
    admission = Admission([node(1)])
    assert admission.admit("a", PAIR)
    assert not admission.admit("b", ONE)


def test_a_trial_that_waits_for_workers_holds_no_cpu(planner: Planner, place: Place) -> None:
    (chain,) = planner("toy_studies:ours").chains
    with_workers = replace(place, resources=resource_table(["edge.workers=2"]))
    assert has_workers(chain, with_workers)
    assert trial_bundle(chain, with_workers) == {"memory": DRIVER_MEMORY}
    assert largest(chain, with_workers).workers == 2


def test_a_trial_without_workers_holds_the_most_of_each(planner: Planner, place: Place) -> None:
    (chain,) = planner("toy_studies:ours").chains
    mixed = replace(place, resources=resource_table(["edge.cpus=3", "weight.memory=2GiB"]))
    assert not has_workers(chain, mixed)
    assert dict(trial_bundle(chain, mixed)) == {"CPU": 3.0, "memory": 2.0 * GIB}


@pytest.mark.parametrize(
    ("settings", "workers"), [(["edge.workers=2", "weight.workers=4"], 4), (["edge.cpus=3"], 0)]
)
def test_the_largest_step_is_booked(
    planner: Planner, place: Place, settings: list[str], workers: int
) -> None:
    (chain,) = planner("toy_studies:ours").chains
    assert largest(chain, replace(place, resources=resource_table(settings))).workers == workers
