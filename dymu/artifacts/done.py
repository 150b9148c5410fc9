"""``DONE.json``: the file whose appearance makes an attempt the artifact of an address."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dymu.artifacts.files import disk_errors, flush_file, flush_folder, sha256, write_flushed
from dymu.errors import CorruptArtifactError, StoreError

DONE = "DONE.json"
DONE_FORMAT = 1
REPAIR = (
    "`dymu cache verify` lists all damaged artifacts, `dymu cache gc --corrupt --yes` removes them; "
    "then run again."
)


def partial_name(attempt: Path) -> str:
    """Name, beside the attempt, of its ``DONE.json`` before it counts."""
    return f".{attempt.name}.part"


def commit(attempt: Path, *, info: Mapping[str, Any]) -> None:
    """Checksum and flush an attempt, then link its ``DONE.json``, unless another attempt has been faster.

    Raises:
        OSError: From the disk.
        StoreError: If the attempt is empty or holds anything but files and folders.
    """
    folder = attempt.parent
    partial = folder / partial_name(attempt)
    write_flushed(partial, dumps_done(attempt, info=info))
    try:
        # A link fails if the name exists; a rename would replace the winner's file.
        (folder / DONE).hardlink_to(partial)
    except FileExistsError:
        return
    finally:
        partial.unlink(missing_ok=True)
    flush_folder(folder)


def dumps_done(attempt: Path, *, info: Mapping[str, Any]) -> str:
    """``DONE.json`` for the files of an attempt, which are flushed.

    Raises:
        OSError: From the disk.
        StoreError: If the attempt is empty or holds anything but files and folders.
    """
    done = {
        "format": DONE_FORMAT,
        "attempt": attempt.name,
        "files": _checksums(attempt),
        "info": dict(info),
    }
    return json.dumps(done, sort_keys=True, indent=1, allow_nan=False) + "\n"


def read_done(folder: Path, *, address: str) -> dict[str, Any]:
    """Content of ``DONE.json`` in an artifact's folder.

    Raises:
        StoreError: If there is no artifact, or a newer dymu wrote it.
        CorruptArtifactError: If the file cannot be understood.
    """
    path = folder / DONE
    with disk_errors(path, doing="read"):
        return loads_done(path.read_bytes(), where=str(path), address=address)


def loads_done(content: bytes, *, where: str, address: str) -> dict[str, Any]:
    """Parse a ``DONE.json``.

    Raises:
        StoreError: If a newer dymu wrote it.
        CorruptArtifactError: If it cannot be understood.
    """
    try:
        done: dict[str, Any] = json.loads(content)
        written = done["format"]
        complete = {"attempt", "files", "info"} <= done.keys()
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptArtifactError(f"artifact {address}: {where} is damaged ({error!r}). {REPAIR}") from error
    if written != DONE_FORMAT:
        raise StoreError(
            f"{where} has format {written}; this dymu reads format {DONE_FORMAT}. "
            "Install the dymu that wrote it."
        )
    if not complete:
        raise CorruptArtifactError(f"artifact {address}: {where} is incomplete. {REPAIR}")
    return done


def check_sizes(attempt: Path, done: Mapping[str, Any], *, address: str) -> None:
    """Check that all listed files exist and have their sizes.

    Raises:
        CorruptArtifactError: Names the first file that does not, with both sizes.
    """
    for name, expected in done["files"].items():
        path = attempt / name
        with disk_errors(path, doing="read"):
            if not path.is_file():
                raise CorruptArtifactError(f"artifact {address}: the file {path} is missing. {REPAIR}")
            size = path.stat().st_size
        if size != expected["size"]:
            raise CorruptArtifactError(
                f"artifact {address}: the file {path} has {size} bytes, but {expected['size']} were written. "
                f"{REPAIR}"
            )


def check_contents(attempt: Path, done: Mapping[str, Any], *, address: str) -> None:
    """Compare all listed files with their SHA-256.

    Raises:
        CorruptArtifactError: Names the first file that differs, with both sums.
    """
    for name, expected in done["files"].items():
        path = attempt / name
        with disk_errors(path, doing="read"):
            found = sha256(path)
        if found != expected["sha256"]:
            raise CorruptArtifactError(
                f"artifact {address}: the file {path} has SHA-256 {found}, but {expected['sha256']} was "
                f"written. {REPAIR}"
            )


def _checksums(attempt: Path) -> dict[str, dict[str, Any]]:
    files = {}
    for path in sorted(attempt.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise StoreError(f"{path} is not a plain file; a stage writes files and folders only.")
        if path.is_dir():
            flush_folder(path)
            continue
        flush_file(path)
        name = path.relative_to(attempt).as_posix()
        files[name] = {"sha256": sha256(path), "size": path.stat().st_size}
    if not files:
        raise StoreError(f"{attempt} is empty; a stage writes at least one file.")
    flush_folder(attempt)
    return files
