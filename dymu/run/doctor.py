"""Is this machine fit to run studies? Each check says what it found and what to do about it."""

import importlib.metadata
import os
import platform
import shutil
import sqlite3
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
import torch

from dymu.artifacts.location import open_store
from dymu.errors import DymuError, StoreError
from dymu.run.cluster.connect import ray_version
from dymu.run.provenance import code_version
from dymu.run.verdict import Check
from dymu.tracking.relocation import check_place

_LEAST_FREE_GIB = 1.0
_GIB = 1024**3


def examine(place: str, *, tracking_uri: str | None, folder: Path) -> list[Check]:
    """Look at everything that a run needs.

    Args:
        place: Location of the store.
        tracking_uri: Where MLflow is; ``None`` for the database in the store.
        folder: Working directory.
    """
    looks: dict[str, Callable[[], str]] = {
        "python": lambda: f"{platform.python_version()} ({sys.executable})",
        "packages": _packages,
        "store": lambda: _store(place),
        "disk": lambda: _disk(place),
        "processor": _processor,
        "torch": _torch,
        "ray": lambda: f"{ray_version()} can be imported",
        "mlflow": lambda: _tracking(place, tracking_uri),
        "git": lambda: _git(folder),
    }
    return [_checked(name, look) for name, look in looks.items()]


def _checked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name=name, ok=True, found=look())
    except (DymuError, ImportError, OSError, sqlite3.Error) as error:
        return Check(name=name, ok=False, found=str(error))


def _packages() -> str:
    names = ("dymu", "torch", "ray", "mlflow", "optuna", "numpy", "pydantic")
    found = []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def _store(place: str) -> str:
    existed = "://" in place or Path(place).exists()
    store = open_store(place)
    probe = store.flag(f"probe/{uuid.uuid4().hex}")
    probe.raise_()
    seen = probe.raised()
    probe.lower()
    if not seen:
        raise StoreError(f"what is written into {store.location} cannot be read back")
    return f"{store.location} can be written" + ("" if existed else " (made just now)")


def _disk(place: str) -> str:
    # Of a bucket, the folder with its local copies.
    folder = open_store(place).root if "://" in place else Path(place).absolute()
    folder = folder if folder.exists() else folder.parent
    free = shutil.disk_usage(folder).free / _GIB
    if free < _LEAST_FREE_GIB:
        raise OSError(f"{free:.1f} GiB free; `dymu cache gc` or another --store makes room")
    return f"{free:.1f} GiB free at {folder}"


def _processor() -> str:
    memory = psutil.virtual_memory()
    load = psutil.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, load {load:.1f}, {memory.available / _GIB:.1f} of "
        f"{memory.total / _GIB:.1f} GiB memory free"
    )


def _torch() -> str:
    devices = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return f"{torch.__version__}, {torch.get_num_threads()} threads, GPUs: {', '.join(devices) or 'none'}"


def _tracking(place: str, uri: str | None) -> str:
    if uri is not None and uri.startswith("http"):
        try:
            with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=5):
                return f"the server at {uri} answers"
        except (urllib.error.URLError, TimeoutError) as error:
            raise OSError(f"the server at {uri} does not answer: {error}") from error
    if uri is not None:
        return f"{uri} is opened by the run that needs it"
    store = open_store(place)
    database = store.mlflow_dir / "mlflow.db"
    if not database.exists():
        return f"{database} will be made by the first run"
    check_place(store)
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        count = connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0]
    connection.close()
    return f"{database} holds {count} runs"


def _git(folder: Path) -> str:
    code = code_version(folder)
    if code.revision is None:
        return "not a repository: provenance will name no code revision"
    return f"{code.revision[:12]}{', with changes that are not committed' if code.dirty else ''}"
