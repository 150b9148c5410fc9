import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from dymu.errors import SpecError
from dymu.run.jobs.kuberay import Pods, ray_job
from dymu.run.jobs.submission import Asked
from dymu.run.jobs.yaml import to_yaml
from dymu.run.provenance import CodeVersion

SCHEMA = json.loads(Path(__file__).with_name("rayjob.schema.json").read_text())
CODE = CodeVersion(revision="abc", dirty=False, lock=None)
ASKED = Asked(
    target="studies.digits:ours", words=("--seeds", "3"), studies=("digits-ours",), store="s3://bucket/dymu"
)
PODS = Pods(image="registry/dymu:1.0", gpus=4, secret="bucket-keys", namespace="research")


def made(asked: Asked = ASKED, pods: Pods = PODS) -> dict[str, Any]:
    return ray_job(asked, pods, CODE, "2.60.0")


@pytest.mark.parametrize(
    ("asked", "pods"),
    [
        (ASKED, PODS),
        (ASKED, Pods(image="registry/dymu@sha256:0a")),
        (replace(ASKED, store="/mnt/store"), Pods(image="dymu:1", claim="dymu-store")),
        (replace(ASKED, target="ablations." + "long_" * 30), PODS),
    ],
)
def test_kuberay_takes_it(asked: Asked, pods: Pods) -> None:
    written = yaml.safe_load(to_yaml(made(asked, pods)))
    jsonschema.validate(written, SCHEMA)
    assert written == made(asked, pods)


def test_the_schema_is_closed() -> None:
    form = made()
    form["spec"]["rayClusterSpec"]["headGroupSpec"]["replicas"] = 1
    with pytest.raises(jsonschema.ValidationError, match="replicas"):
        jsonschema.validate(form, SCHEMA)


def test_the_driver_runs_on_a_head_without_cpus() -> None:
    spec = made()["spec"]
    assert spec["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert spec["entrypointNumCpus"] == 0
    words = shlex.split(spec["entrypoint"])
    assert words[3:] == ["run", ASKED.target, "--seeds", "3", "--address", "auto", "--store", ASKED.store]


def test_workers_come_and_go() -> None:
    (group,) = made()["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert (group["minReplicas"], group["maxReplicas"]) == (0, 2)
    (container,) = group["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "4"}
    assert container["envFrom"] == [{"secretRef": {"name": "bucket-keys"}}]


def test_there_is_time_for_checkpoints() -> None:
    spec = made()["spec"]
    variables = yaml.safe_load(spec["runtimeEnvYAML"])["env_vars"]
    assert int(variables["RAY_JOB_STOP_WAIT_TIME_S"]) > 60
    assert json.loads(variables["DYMU_CODE"])["revision"] == "abc"
    pod = spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == int(variables["RAY_JOB_STOP_WAIT_TIME_S"])


def test_a_token_is_asked_for() -> None:
    assert made()["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}


def test_a_volume_is_mounted_where_the_store_is() -> None:
    form = made(replace(ASKED, store="/mnt/store"), Pods(image="dymu:1", claim="dymu-store"))
    groups = form["spec"]["rayClusterSpec"]
    for template in (groups["headGroupSpec"]["template"], groups["workerGroupSpecs"][0]["template"]):
        (mount,) = template["spec"]["containers"][0]["volumeMounts"]
        (volume,) = template["spec"]["volumes"]
        assert mount == {"name": volume["name"], "mountPath": "/mnt/store"}
        assert volume["persistentVolumeClaim"] == {"claimName": "dymu-store"}


@pytest.mark.parametrize(
    ("asked", "pods", "words"),
    [
        (replace(ASKED, store="/mnt/store"), PODS, "or a folder with --claim"),
        (ASKED, replace(PODS, claim="dymu-store"), "expected a bucket"),
        (ASKED, Pods(image="registry:5000/dymu"), "names no version"),
    ],
)
def test_what_could_not_run_is_refused(asked: Asked, pods: Pods, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        made(asked, pods)
