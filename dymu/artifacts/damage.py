"""Artifacts that do not match their checksums: found once more, and moved out of the way."""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from dymu.artifacts.done import DONE, check_contents, check_sizes, read_done
from dymu.artifacts.files import remove_path, write_whole
from dymu.errors import CorruptArtifactError

REASON = "REASON.json"


def damaged_attempt(folder: Path, *, address: str) -> str | None:
    """Name of the published attempt if its files do not match their sizes and checksums, else ``None``.

    It is empty where ``DONE.json`` itself cannot be understood.

    Raises:
        StoreError: If the disk refuses, or a newer dymu wrote the artifact.
    """
    named = ""
    try:
        done = read_done(folder, address=address)
        named = str(done["attempt"])
        check_sizes(folder / named, done, address=address)
        check_contents(folder / named, done, address=address)
    except CorruptArtifactError:
        return named
    return None


def move_aside(folder: Path, aside: Path, *, attempt: str, reason: str) -> bool:
    """Move a published attempt of an artifact's folder away, ``DONE.json`` first; other attempts stay.

    Args:
        folder: The artifact's folder.
        aside: Where to; made.
        attempt: What :func:`damaged_attempt` found.
        reason: Kept beside the files.

    Returns:
        Whether it was moved here; of several who try, one finds it.

    Raises:
        OSError: From the disk.
    """
    aside.mkdir(parents=True)
    try:
        # From here on there is no artifact; a crash after it leaves files that nobody refers to.
        (folder / DONE).rename(aside / DONE)
    except FileNotFoundError:
        aside.rmdir()
        return False
    if attempt_of((aside / DONE).read_bytes()) != attempt:
        # Somebody was faster, and has published the step again.
        with suppress(FileExistsError):
            (folder / DONE).hardlink_to(aside / DONE)
        remove_path(aside)
        return False
    if attempt and (folder / attempt).is_dir():
        (folder / attempt).rename(aside / attempt)
    write_whole(aside / REASON, reason_text(reason))
    return True


def reason_text(reason: str) -> str:
    """Content of ``REASON.json``."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return json.dumps({"reason": reason, "set_aside": when}, indent=1) + "\n"


def attempt_of(content: bytes) -> str:
    """Name of the attempt that a ``DONE.json`` names; empty if it names none."""
    try:
        done: Any = json.loads(content)
        return Path(str(done["attempt"])).name
    except (ValueError, KeyError, TypeError):
        return ""
