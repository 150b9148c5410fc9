"""How a result came about: code revision, versions, machine and times. Never part of an address.

Where a study was submitted there is no repository. The submitting machine then says what it found in
``$DYMU_CODE`` and ships the difference to that revision as a file beside the code.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dymu import __version__
from dymu.artifacts.record import PROVENANCE
from dymu.errors import SpecError

LOCK_FILE = "requirements.lock"
CODE_VARIABLE = "DYMU_CODE"
DIFF_FILE = ".dymu-code.diff"
_GREATEST_DIFF = 8 * 1024**2  # a larger one holds data rather than code
_PACKAGES = ("torch", "numpy", "ray", "safetensors")


@dataclass(frozen=True, kw_only=True)
class CodeVersion:
    """What the driver knows about the code; a worker may have neither git nor the repository.

    Attributes:
        revision: Git SHA; ``None`` outside a repository.
        dirty: Whether tracked files differ from that revision; ``None`` outside a repository.
        lock: SHA-256 of ``requirements.lock``; ``None`` without one.
        diff: SHA-256 of the difference to that revision; ``None`` if there is none.
    """

    revision: str | None
    dirty: bool | None
    lock: str | None
    diff: str | None = None

    def dumps(self) -> str:
        """As text for ``$DYMU_CODE``."""
        return json.dumps(asdict(self), sort_keys=True)


def code_version(folder: Path) -> CodeVersion:
    """Look at the repository and the lock file of a folder, once per run.

    Raises:
        SpecError: If ``$DYMU_CODE`` is set and is not what another dymu wrote.
    """
    told = os.environ.get(CODE_VARIABLE)
    if told:
        return _loads(told)
    revision = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no") if revision else None
    lock = folder / LOCK_FILE
    diff = code_diff(folder)
    return CodeVersion(
        revision=revision,
        dirty=None if changes is None else changes != "",
        lock=hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None,
        diff=hashlib.sha256(diff).hexdigest() if diff else None,
    )


def code_diff(folder: Path) -> bytes:
    """Changes of tracked files and Python files that git does not know, as a patch; empty if there are none.

    Neither the repository nor its index is touched. A difference of more than 8 MiB is none.
    """
    shipped = folder / DIFF_FILE
    if os.environ.get(CODE_VARIABLE):
        return shipped.read_bytes() if shipped.is_file() else b""
    index = _git(folder, "rev-parse", "--path-format=absolute", "--git-path", "index")
    if index is None or _git(folder, "rev-parse", "HEAD") is None:
        return b""
    with tempfile.TemporaryDirectory() as scratch:
        copied = Path(scratch) / "index"
        if Path(index).is_file():
            shutil.copyfile(index, copied)
        other = {"GIT_INDEX_FILE": str(copied)}
        unknown = _git(folder, "ls-files", "--others", "--exclude-standard", "--", "*.py", environment=other)
        if unknown:
            _git(folder, "add", "--intent-to-add", "--", *unknown.splitlines(), environment=other)
        found = _git_bytes(folder, "diff", "--binary", "HEAD", environment=other) or b""
    return found if len(found) <= _GREATEST_DIFF else b""


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
        "git_diff_sha256": code.diff,
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


def _loads(text: str) -> CodeVersion:
    try:
        return CodeVersion(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise SpecError(
            f"{CODE_VARIABLE} is not what `dymu submit` writes: {error}. Unset it, or submit again."
        ) from error


def _git(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str | None:
    told = _git_bytes(folder, *arguments, environment=environment)
    return None if told is None else told.decode("utf-8", "surrogateescape").strip()


def _git_bytes(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            timeout=20,
            check=True,
            env={**os.environ, **(environment or {})},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
