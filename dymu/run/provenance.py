"""How a result came about: code revision, versions, machine and times. Never part of an address."""

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dymu import __version__
from dymu.artifacts.record import PROVENANCE

LOCK_FILE = "requirements.lock"
_PACKAGES = ("torch", "numpy", "ray", "safetensors")


@dataclass(frozen=True, kw_only=True)
class CodeVersion:
    """What the driver knows about the code; a worker may have neither git nor the repository.

    Attributes:
        revision: Git SHA; ``None`` outside a repository.
        dirty: Whether tracked files differ from that revision; ``None`` outside a repository.
        lock: SHA-256 of ``requirements.lock``; ``None`` without one.
    """

    revision: str | None
    dirty: bool | None
    lock: str | None


def code_version(folder: Path) -> CodeVersion:
    """Look at the repository and the lock file of a folder, once per run."""
    revision = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no") if revision else None
    lock = folder / LOCK_FILE
    return CodeVersion(
        revision=revision,
        dirty=None if changes is None else changes != "",
        lock=hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None,
    )


def write_provenance(
    folder: Path, code: CodeVersion, *, spent: Mapping[str, float], place: Mapping[str, Any]
) -> None:
    """Write ``provenance.json``.

    Args:
        folder: The attempt that is about to be published.
        code: What the driver found.
        spent: ``wall_s`` and ``cpu_s`` of the stage function, all attempts together.
        place: Device, threads and whatever else says where the step ran.
    """
    form = {
        "git_revision": code.revision,
        "git_dirty": code.dirty,
        "requirements_lock_sha256": code.lock,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "versions": versions(),
        **spent,
        **place,
    }
    (folder / PROVENANCE).write_text(json.dumps(form, sort_keys=True, indent=1) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Versions of the packages that results depend on; a package that is not installed is left out."""
    found = {"dymu": __version__}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
