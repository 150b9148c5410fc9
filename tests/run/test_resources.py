import pytest

from dymu.errors import BackendError, SpecError
from dymu.run.resources import GIB, Resources, ResourceTable, check_feasible, concurrency, resource_table

TRAINED = ("anchor", "edge")


def node(cpus: float = 2, gpus: float = 0, memory: float = 8 * GIB) -> dict[str, float]:
    return {"CPU": cpus, "GPU": gpus, "memory": memory}


def test_a_step_on_the_cpu_takes_no_gpu() -> None:
    assert ResourceTable().of("edge", device="cpu").gpus == 0
    assert ResourceTable().of("edge", device="cuda").gpus == 1


def test_threads_are_the_cores_of_every_stage() -> None:
    table = resource_table(threads=4)
    assert [table.of(stage, device="cpu").cpus for stage in ("edge", "affinity")] == [4, 4]
    assert table.of("affinity", device="cpu").memory == GIB // 2  # the rest of the table stays
    assert resource_table().of("edge", device="cpu").cpus == 1


def test_workers_are_for_stages_that_train() -> None:
    table = resource_table(workers=2, trained=TRAINED)
    workers = {stage: table.of(stage, device="cpu").workers for stage in ("anchor", "edge", "affinity")}
    assert workers == {"anchor": 2, "edge": 2, "affinity": 0}


def test_a_setting_wins_over_workers_and_over_an_earlier_setting() -> None:
    table = resource_table(
        ["edge.workers=3", "edge.memory=1.5GiB", "edge.workers=4", "anchor.parts=apart", "edge.cpus=2"],
        workers=2,
        threads=8,
        trained=TRAINED,
    )
    assert table.of("edge", device="cpu") == Resources(workers=4, cpus=2, gpus=0, memory=3 * GIB // 2)
    assert table.of("anchor", device="cpu").parts == "apart"
    assert table.of("anchor", device="cpu").cpus == 8


def test_a_part_of_a_gpu_can_be_had_by_one_worker() -> None:
    table = resource_table(["edge.gpus=0.25", "edge.workers=1"])
    assert dict(table.of("edge", device="cuda").bundle) == {"CPU": 1.0, "GPU": 0.25, "memory": float(GIB)}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("edge", r"--resource 'edge': expected STAGE.FIELD=VALUE"),
        ("edge.workers", r"expected STAGE.FIELD=VALUE"),
        (".workers=1", r"expected STAGE.FIELD=VALUE"),
        ("edge.worker=1", r"no field 'worker'; there are workers, cpus, gpus, memory, parts"),
        ("edge.workers=-1", r"a number of processes from 0 is expected, not '-1'"),
        ("edge.cpus=0", r"a number of cores from 1 is expected, not '0'"),
        ("edge.gpus=1.5", r"a fraction of one GPU, or a whole number is expected, not '1.5'"),
        ("edge.memory=2GB", r"a number of bytes, as in 2GiB or 512MiB, is expected, not '2GB'"),
        ("edge.memory=0", r"is expected, not '0'"),
        ("edge.parts=both", r"together or apart is expected, not 'both'"),
        ("egde.workers=1", r"there is no stage 'egde'; there are anchor, edge"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(setting: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        resource_table([setting], known=TRAINED)


def test_two_workers_do_not_share_a_gpu() -> None:
    with pytest.raises(SpecError, match=r"stage edge: gpus=0.5 with workers=2; NCCL"):
        resource_table(["edge.gpus=0.5", "edge.workers=2"])


def test_a_negative_number_of_workers_is_refused() -> None:
    with pytest.raises(SpecError, match="--workers=-2"):
        resource_table(workers=-2)


@pytest.mark.parametrize(
    ("need", "nodes", "expected"),
    [
        (Resources(cpus=1, gpus=0), [node()], 2),
        (Resources(cpus=2, gpus=0), [node(), node(cpus=5)], 3),
        (Resources(cpus=1, gpus=0, memory=3 * GIB), [node(cpus=16)], 2),
        (Resources(cpus=1, gpus=0.5), [node(gpus=1), node()], 2),
        (Resources(workers=4, cpus=1, gpus=0), [node(), node()], 1),  # spread over both
        (Resources(workers=2, cpus=2, gpus=0), [node(cpus=3), node(cpus=3)], 1),
        (Resources(workers=2, cpus=2, gpus=0), [node(cpus=3)], 0),
    ],
)
def test_how_often_something_fits(need: Resources, nodes: list[dict[str, float]], expected: int) -> None:
    assert concurrency(need, nodes) == expected


def test_what_never_fits_is_refused_with_what_there_is() -> None:
    stages = {
        "anchor": Resources(gpus=0),
        "edge": Resources(workers=8, gpus=1),
        "weight": Resources(cpus=64, gpus=0, memory=2 * GIB),
    }
    with pytest.raises(BackendError) as error:
        check_feasible(stages, [node(), node(), node(cpus=4, gpus=2)])
    text = str(error.value)
    assert "stage edge needs 8 workers with 1 CPUs, 1 GPUs and 1.0 GiB each" in text
    assert "stage weight needs 64 CPUs, 0 GPUs and 2.0 GiB on one node" in text
    assert "anchor" not in text
    assert "2 times 2 CPUs, 0 GPUs, 8.0 GiB; 4 CPUs, 2 GPUs, 8.0 GiB" in text
    check_feasible({"anchor": stages["anchor"]}, [node()])


def test_no_nodes_hold_nothing() -> None:
    with pytest.raises(BackendError, match="the nodes have: nothing"):
        check_feasible({"edge": Resources(gpus=0)}, [])
