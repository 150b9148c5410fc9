"""A study as a RayJob of KubeRay: a cluster of pods that is made for it, runs it, and goes.

Field names are those of ``ray.io/v1`` in KubeRay 1.6 (``RayJobSpec`` and ``RayClusterSpec`` in
``ray-operator/apis/ray/v1`` of github.com/ray-project/kuberay).
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dymu.errors import SpecError
from dymu.run.jobs.submission import DIGEST, STOP_WAIT_S, STUDIES, SUBMISSION_VARIABLE, Asked
from dymu.run.jobs.yaml import to_yaml
from dymu.run.provenance import CODE_VARIABLE, CodeVersion

_MOUNT = "store"
_LONGEST_NAME = 47  # KubeRay appends suffixes to the names of what it makes
_KEEP_S = 600  # for a look at the dashboard after the end
_RETRIES = 2  # of the whole cluster; each goes on from the checkpoints in the store
_GCS, _DASHBOARD, _CLIENT = 6379, 8265, 10001


@dataclass(frozen=True, kw_only=True)
class Pods:
    """What the cluster is made of.

    Attributes:
        image: Container image with Ray, dymu and the studies.
        workers: Most worker pods.
        cpus: CPUs of a worker.
        gpus: GPUs of a worker.
        memory: Memory of a worker, as Kubernetes writes it (``32Gi``).
        claim: PersistentVolumeClaim with the store; empty for a store in a bucket.
        secret: Secret whose entries become variables, such as the keys of a bucket; empty for none.
        namespace: Kubernetes namespace; empty for the current one.
    """

    image: str
    workers: int = 2
    cpus: int = 8
    gpus: int = 0
    memory: str = "32Gi"
    claim: str = ""
    secret: str = ""
    namespace: str = ""


def ray_job(asked: Asked, pods: Pods, code: CodeVersion, ray_version: str) -> dict[str, Any]:
    """The RayJob.

    Args:
        asked: What is to run; its store must be a bucket, or a folder on the claim.
        pods: Of what.
        code: What was found out about the code; the image holds no repository.
        ray_version: Release of Ray in the image.

    Raises:
        SpecError: If the pods could not reach the store, or the image has no version.
    """
    bucket = "://" in asked.store
    if bucket == bool(pods.claim):
        raise SpecError(
            f"the store is {asked.store}; expected a bucket (s3://bucket/prefix), or a folder with --claim "
            "for the volume that all pods mount there."
        )
    if not re.search(r"[:@][^/]+$", pods.image):
        raise SpecError(f"--image {pods.image} names no version; expected for instance {pods.image}:1.0.")
    name = re.sub(r"[^a-z0-9]+", "-", asked.prefix.lower()).strip("-")
    name = f"{name[: _LONGEST_NAME - 9].rstrip('-')}-{asked.digest}" if len(name) > _LONGEST_NAME else name
    variables = {
        CODE_VARIABLE: code.dumps(),
        SUBMISSION_VARIABLE: name,
        "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S),
    }
    where = {"namespace": pods.namespace} if pods.namespace else {}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": name, **where, "labels": {"app.kubernetes.io/name": "dymu"}},
        "spec": {
            "entrypoint": shlex.join(asked.command),
            "entrypointNumCpus": 0,
            "jobId": name,
            "metadata": {STUDIES: ",".join(asked.studies), DIGEST: asked.digest},
            "runtimeEnvYAML": to_yaml({"env_vars": variables}),
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": _KEEP_S,
            "backoffLimit": _RETRIES,
            "rayClusterSpec": _cluster(asked.store, pods, ray_version),
        },
    }


def _cluster(store: str, pods: Pods, ray_version: str) -> dict[str, Any]:
    ports = {"gcs-server": _GCS, "dashboard": _DASHBOARD, "client": _CLIENT}
    listed = [{"name": name, "containerPort": port} for name, port in ports.items()]
    worker = {"cpu": str(pods.cpus), "memory": pods.memory}
    if pods.gpus:
        worker["nvidia.com/gpu"] = str(pods.gpus)
    return {
        "rayVersion": ray_version,
        "enableInTreeAutoscaling": True,
        "authOptions": {"mode": "token"},
        "headGroupSpec": {
            "serviceType": "ClusterIP",
            # Drivers and MLflow writing only; an evicted head would end the study.
            "rayStartParams": {"num-cpus": "0"},
            "template": _template("ray-head", {"cpu": "2", "memory": "8Gi"}, store, pods, listed),
        },
        "workerGroupSpecs": [
            {
                "groupName": "workers",
                "minReplicas": 0,
                "replicas": 0,
                "maxReplicas": pods.workers,
                "rayStartParams": {},
                "template": _template("ray-worker", worker, store, pods),
            }
        ],
    }


def _template(
    name: str, amounts: Mapping[str, str], store: str, pods: Pods, ports: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": name,
        "image": pods.image,
        "resources": {"requests": dict(amounts), "limits": dict(amounts)},
    }
    if ports:
        container["ports"] = list(ports)
    if pods.secret:
        container["envFrom"] = [{"secretRef": {"name": pods.secret}}]
    spec: dict[str, Any] = {"containers": [container], "terminationGracePeriodSeconds": STOP_WAIT_S}
    if pods.claim:
        container["volumeMounts"] = [{"name": _MOUNT, "mountPath": store}]
        spec["volumes"] = [{"name": _MOUNT, "persistentVolumeClaim": {"claimName": pods.claim}}]
    return {"spec": spec}
