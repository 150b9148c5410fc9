"""Looks at a cluster from inside: one look on every node, for ``dymu doctor --address``.

Runs as a small job. A look is a task that is bound to its node and takes no resources, so that a busy cluster
can be looked at too.
"""

import importlib.metadata
import json
import os
import platform
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dymu import __version__
from dymu.artifacts.location import open_store
from dymu.errors import DymuError
from dymu.run.jobs.address import is_loopback

MARK = "dymu-examination:"
_LOOK_S = 120.0  # a node may have to unpack the code and start a process first
_CLOCK_TRIES = 5
_PACKAGES = ("ray", "torch")


def examine_nodes(store: str, tracking_uri: str | None, data_root: str | None) -> dict[str, Any]:
    """Look at every node of the cluster that this process belongs to.

    Args:
        store: Location of the store.
        tracking_uri: Where MLflow is; ``None`` if it is in the store.
        data_root: Folder of data sets, if studies need one.

    Returns:
        ``nodes``, one per node that is up: its resources, what it found, or why it could not be looked at.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray.init(address="auto", log_to_driver=False)
    probe = f"probe/{uuid.uuid4().hex}"
    asked = {"store": store, "tracking_uri": tracking_uri, "data_root": data_root, "probe": probe}
    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    found = []
    try:
        open_store(store).flag(probe).raise_()
    except DymuError as error:
        asked["driver_error"] = str(error)
    bound = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in alive]
    look = ray.remote(num_cpus=0)(look_around)
    clock = ray.remote(num_cpus=0)(now)
    heads = ["node:__internal_head__" in node["Resources"] for node in alive]
    # The driver alone talks to MLflow, and it runs on the head.
    elsewhere = {**asked, "tracking_uri": None} if _on_the_head_only(tracking_uri) else asked
    looks = [
        look.options(scheduling_strategy=where).remote(asked if head else elsewhere)
        for where, head in zip(bound, heads, strict=True)
    ]
    for node, where, running, head in zip(alive, bound, looks, heads, strict=True):
        told: dict[str, Any] = {
            "id": node["NodeID"],
            "host": node["NodeManagerAddress"],
            "head": head,
            "resources": {name: node["Resources"].get(name, 0.0) for name in ("CPU", "GPU")},
        }
        try:
            seen: Any = ray.get(running, timeout=_LOOK_S)
            there = clock.options(scheduling_strategy=where)
            told |= {**seen, "clock": _clock(partial(_ask, there))}
            told["store"] = told["store"] or _written(store, told["answer"])
        except Exception as error:  # noqa: BLE001 - a node that cannot be looked at is a finding
            told["error"] = (str(error).strip() or type(error).__name__).splitlines()[0]
        found.append(told)
    if "driver_error" not in asked:
        open_store(store).flag(probe).lower()
    return {"nodes": found}


def now() -> float:
    """The time here."""
    return time.time()


def look_around(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What one node finds: versions, GPUs, and for store, MLflow and data what is wrong, or nothing."""
    answer = f"{asked['probe']}-{uuid.uuid4().hex}"
    return {
        "python": platform.python_version(),
        "versions": {"dymu": __version__, **{name: _version(name) for name in _PACKAGES}},
        "gpus": _gpus(),
        "answer": answer,
        "store": str(asked.get("driver_error", "")) or _wrong(lambda: _see(asked, answer)),
        "mlflow": _wrong(lambda: reach_mlflow(asked["tracking_uri"])),
        "data_root": _wrong(lambda: _data(asked["data_root"])),
    }


def reach_mlflow(uri: str | None) -> None:
    """Ask an MLflow server something, or knock at a database.

    Raises:
        OSError: If it does not answer, or refuses.
    """
    if uri is None or uri.startswith("sqlite:"):
        return
    if not uri.startswith(("http://", "https://")):
        parts = urlsplit(uri)
        if parts.hostname:
            socket.create_connection((parts.hostname, parts.port or 5432), timeout=10).close()
        return
    request = urllib.request.Request(
        f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search",
        data=json.dumps({"max_results": 1}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except urllib.error.HTTPError as error:
        if error.code == 401:
            return  # it answers, and wants the account that the driver has
        hint = (
            "; start it with --allowed-hosts for the name by which it is called" if error.code == 403 else ""
        )
        raise OSError(f"{uri} answers with status {error.code}{hint}") from error


def _on_the_head_only(uri: str | None) -> bool:
    return uri is not None and uri.startswith("http") and is_loopback(uri)


def _ask(clock: Any) -> float:
    import ray

    return float(ray.get(clock.remote(), timeout=_LOOK_S))


def _clock(ask: Callable[[], float]) -> dict[str, float]:
    """Seconds by which a clock is ahead of this one, and how far that can be wrong: half a round trip."""
    best: dict[str, float] = {"ahead_s": 0.0, "within_s": float("inf")}
    for _ in range(_CLOCK_TRIES):
        began = time.time()
        there = ask()
        ended = time.time()
        within = (ended - began) / 2
        if within < best["within_s"]:
            best = {"ahead_s": there - (began + ended) / 2, "within_s": within}
    return best


def _see(asked: Mapping[str, Any], answer: str) -> None:
    store = open_store(asked["store"])
    if not store.flag(asked["probe"]).raised():
        raise OSError(f"{asked['store']} is here another place than on the head; all nodes must share it")
    store.flag(answer).raise_()


def _written(store: str, answer: str) -> str:
    flag = open_store(store).flag(answer)
    if not flag.raised():
        return f"what this node writes into {store} does not reach the head"
    flag.lower()
    return ""


def _data(root: str | None) -> None:
    if root is not None and not (Path(root).is_dir() and os.access(root, os.R_OK)):
        raise OSError(f"{root} is not there, or cannot be read")


def _gpus() -> dict[str, Any]:
    import torch.distributed

    listed = 0
    if shutil.which("nvidia-smi"):
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
        listed = sum(line.startswith("GPU ") for line in done.stdout.splitlines())
    return {"listed": listed, "cuda": torch.version.cuda or "", "nccl": torch.distributed.is_nccl_available()}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _wrong(look: Callable[[], None]) -> str:
    try:
        look()
    except (DymuError, OSError) as error:
        return str(error)
    return ""
