from collections.abc import Callable
from typing import Any

import pytest
import yaml

Dymu = Callable[..., Any]

WHERE = ("--image", "registry/dymu:1.0", "--store", "s3://bucket/dymu")


def kuberay(dymu: Dymu, *words: str) -> Any:
    return dymu("manifest", "kuberay", "toy_studies:ours", *WHERE, *words)


def test_a_ray_job_is_written(dymu: Dymu) -> None:
    said = kuberay(
        dymu, "--no-tracking", "--seeds", "2", "--pods", "5", "--pod-gpus", "4", "--device", "cuda"
    )
    assert said.code == 0, said.err
    form = yaml.safe_load(said.out)
    assert form["kind"] == "RayJob"
    assert "run toy_studies:ours --seeds 2 --device cuda --no-tracking" in form["spec"]["entrypoint"]
    assert form["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["maxReplicas"] == 5


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "MLflow's database cannot lie in s3://bucket/dymu"),
        (("--tracking-uri", "sqlite:////m.db"), "would go with the pods"),
        (("--no-tracking", "--claim", "volume"), "expected a bucket"),
        (("--no-tracking", "--data-root", "data"), "--data-root data is relative"),
        (("--no-tracking", "--arm", "none"), "none"),
    ],
)
def test_what_could_not_run_is_refused(dymu: Dymu, words: tuple[str, ...], told: str) -> None:
    said = kuberay(dymu, *words)
    assert said.code == 2
    assert told in said.err
    assert said.out == ""
