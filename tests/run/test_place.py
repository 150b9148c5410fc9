from dymu.run.place import Place
from dymu.run.provenance import CodeVersion
from dymu.run.resources import resource_table

CODE = CodeVersion(revision=None, dirty=None, lock=None)


def test_a_stage_that_takes_no_gpu_runs_on_the_cpu() -> None:
    place = Place(device="cuda", code=CODE, resources=resource_table(["affinity.gpus=0", "edge.gpus=0.5"]))
    assert place.device_of("edge") == "cuda"
    assert place.device_of("affinity") == "cpu"
    assert place.resources_of("affinity").gpus == 0


def test_on_the_cpu_nothing_takes_a_gpu() -> None:
    place = Place(code=CODE)
    assert place.resources_of("edge").gpus == 0
    assert place.device_of("edge") == "cpu"
