import pytest

from dymu.errors import BackendError
from dymu.run.resources import Resources, concurrency, for_stage, largest

GIB = 1024**3


def node(cpus: float = 2, gpus: float = 0, memory: float = 8 * GIB) -> dict[str, float]:
    return {"CPU": cpus, "GPU": gpus, "memory": memory}


def test_a_step_on_the_cpu_takes_no_gpu() -> None:
    assert for_stage("edge", cpus=None, device="cpu").gpus == 0
    assert for_stage("edge", cpus=None, device="cuda").gpus == 1


def test_the_user_may_say_how_many_cores() -> None:
    assert for_stage("edge", cpus=None, device="cpu").cpus == 1
    assert for_stage("edge", cpus=4, device="cpu").cpus == 4


def test_a_trial_needs_the_most_of_each() -> None:
    parts = [Resources(cpus=1, gpus=1, memory=5), Resources(cpus=3, gpus=0, memory=2)]
    assert largest(parts) == Resources(cpus=3, gpus=1, memory=5)


@pytest.mark.parametrize(
    ("need", "nodes", "expected"),
    [
        (Resources(cpus=1, gpus=0, memory=GIB), [node()], 2),
        (Resources(cpus=2, gpus=0, memory=GIB), [node(), node(cpus=5)], 3),
        (Resources(cpus=1, gpus=0, memory=3 * GIB), [node(cpus=16)], 2),
        (Resources(cpus=1, gpus=0.5, memory=GIB), [node(gpus=1), node()], 2),
    ],
)
def test_concurrency_follows_from_what_the_nodes_have(
    need: Resources, nodes: list[dict[str, float]], expected: int
) -> None:
    assert concurrency(need, nodes) == expected


def test_what_fits_on_no_node_is_refused_before_anything_waits_for_it() -> None:
    with pytest.raises(
        BackendError, match=r"a step needs 4 CPUs, 0 GPUs and 1\.0 GiB on one node, but the nodes have: 2"
    ):
        concurrency(Resources(cpus=4, gpus=0, memory=GIB), [node(), node()])
