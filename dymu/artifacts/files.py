"""Files that are whole or not there, and disk errors in words that say what to do."""

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dymu.errors import StoreError

_FULL = {errno.ENOSPC, errno.EDQUOT}
NOT_WRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def disk_errors(path: Path, *, doing: str) -> Iterator[None]:
    """Turn an ``OSError`` of the block into a :class:`~dymu.errors.StoreError`.

    Args:
        path: Named where the error itself names no file.
        doing: What was tried, as in ``cannot <doing> <path>``.
    """
    try:
        yield
    except OSError as error:
        where = path if error.filename is None else error.filename
        code = errno.errorcode.get(error.errno or 0, type(error).__name__)
        text = error.strerror or str(error)
        raise StoreError(f"cannot {doing} {where}: {text} ({code}). {_advice(error.errno)}") from error


def write_whole(path: Path, text: str, *, flush: bool = True) -> None:
    """Replace a file; readers see the old or the new text, and with ``flush`` so they do after a power cut.

    Raises:
        OSError: From the disk; the old file is then unchanged and nothing else is left behind.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        if flush:
            write_flushed(partial, text)
        else:
            partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    if flush:
        flush_folder(path.parent)


def write_flushed(path: Path, text: str) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def flush_file(path: Path) -> None:
    """Wait until the disk has a file that is already written."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 if there is nothing."""
    if path.is_dir():
        return sum(entry.lstat().st_size for entry in path.rglob("*") if not entry.is_dir())
    return path.lstat().st_size if path.exists() else 0


def remove_path(path: Path, *, first: str | None = None) -> int:
    """Remove a file, or a folder with all below it.

    Args:
        path: Need not exist.
        first: Name of a file in the folder that goes before the others: the one that vouches for them.

    Returns:
        Bytes freed.
    """
    freed = size_of(path)
    if path.is_dir():
        if first is not None:
            (path / first).unlink(missing_ok=True)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return freed


def folders_in(folder: Path) -> list[Path]:
    """Folders directly below a folder, by name; none if it does not exist."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))


def _advice(code: int | None) -> str:
    if code in _FULL:
        return (
            "Free some space (`dymu cache gc` shows what no study refers to) or choose another disk with "
            "DYMU_STORE; finished steps are kept and the same command goes on from there."
        )
    if code in NOT_WRITABLE:
        return (
            "A run needs a folder that it may write to; choose one with --store or DYMU_STORE. "
            "Nothing was changed."
        )
    return "Finished steps are kept; the same command goes on from there."
