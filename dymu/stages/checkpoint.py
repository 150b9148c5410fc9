"""What an attempt at a step leaves in the work folder for the next attempt.

``checkpoint.pt``, and the one before it, ``checkpoint.previous.pt``: SHA-256 of what follows, then what torch
saved. Torch itself reads changed numbers without a word. ``reached.txt`` counts the training steps that were
done, ``attempts.jsonl`` has a line for each attempt.
"""

import hashlib
import io
import json
import logging
import os
import weakref
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from dymu.artifacts.files import disk_errors

CHECKPOINT = "checkpoint.pt"
PREVIOUS = "checkpoint.previous.pt"
REACHED = "reached.txt"
ATTEMPTS = "attempts.jsonl"

LOG = logging.getLogger(__name__)

_DIGEST_SIZE = hashlib.sha256().digest_size


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One start of a training, as a line of ``attempts.jsonl``.

    Attributes:
        resumed_at: Training step at which it started.
        reached: Training steps that the attempts before it had done.
        redone: How many of them it does again.
        workers: Ranks that train.
        unreadable: What was wrong with checkpoints that had to be passed over.
    """

    resumed_at: int
    reached: int
    redone: int
    workers: int
    unreadable: tuple[str, ...] = ()


class Checkpoints:
    """Checkpoints and the account of attempts in one work folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unreadable: tuple[str, ...] = ()
        self._counter: int | None = None

    def write(self, content: memoryview) -> None:
        """Make ``content`` the last checkpoint: whole or not at all; the one before it stays beside it.

        Raises:
            StoreError: If the disk refuses; the checkpoints before are then unchanged.
        """
        path = self.folder / CHECKPOINT
        partial = path.with_suffix(path.suffix + ".part")
        with disk_errors(path, doing="write"):
            try:
                with partial.open("wb") as file:
                    file.write(hashlib.sha256(content).digest())
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                if path.exists():
                    path.replace(self.folder / PREVIOUS)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)

    def read(self) -> bytes | None:
        """The content of the last checkpoint that can be read, or ``None`` if there is none.

        One whose content was changed or cut is passed over with a warning, because nothing else would let
        the step go on; its work is done again. :attr:`unreadable` then says what was wrong.

        Raises:
            StoreError: If the disk refuses to read; what is there may be good.
        """
        unreadable = []
        found: bytes | None = None
        for path in (self.folder / CHECKPOINT, self.folder / PREVIOUS):
            if found is not None or not path.exists():
                continue
            with disk_errors(path, doing="read"):
                content = path.read_bytes()
            problem = _problem(content)
            if problem is None:
                found = content[_DIGEST_SIZE:]
            else:
                unreadable.append(f"{path.name}: {problem}")
        self.unreadable = tuple(unreadable)
        if unreadable:
            goes_on = "the step starts from its beginning" if found is None else "the one before it is used"
            LOG.warning("%s: %s; %s.", self.folder, "; ".join(unreadable), goes_on)
        return found

    def count(self, step: int) -> None:
        """Note that a number of training steps are done.

        Takes a microsecond or two: the file stays open and the disk is not waited for. A killed process
        leaves what it wrote.
        """
        path = self.folder / REACHED
        with disk_errors(path, doing="write"):
            if self._counter is None:
                self._counter = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
                weakref.finalize(self, os.close, self._counter)
            os.pwrite(self._counter, b"%012d\n" % step, 0)

    def begin(self, resumed_at: int, workers: int) -> None:
        """Write the line of an attempt that starts at a training step.

        Raises:
            StoreError: If the disk refuses.
        """
        reached = self._reached()
        attempt = Attempt(
            resumed_at=resumed_at,
            reached=reached,
            redone=max(0, reached - resumed_at),
            workers=workers,
            unreadable=self.unreadable,
        )
        path = self.folder / ATTEMPTS
        with disk_errors(path, doing="write"), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(attempt), sort_keys=True) + "\n")
        self.count(resumed_at)

    def _reached(self) -> int:
        path = self.folder / REACHED
        text = path.read_text(encoding="ascii", errors="replace").strip() if path.exists() else ""
        return int(text) if text.isdigit() else 0


def pack(state: Mapping[str, Any]) -> memoryview:
    """Plain containers and tensors as the content of a checkpoint."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getbuffer()


def unpack(content: bytes, device: str) -> dict[str, Any]:
    """What :func:`pack` was given; refuses everything else, and runs no code that it may hold."""
    state = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    assert isinstance(state, dict)
    return state


def read_attempts(folder: Path) -> list[dict[str, Any]]:
    """The lines of ``attempts.jsonl`` in a work folder, without a last one that was cut."""
    path = folder / ATTEMPTS
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _problem(content: bytes) -> str | None:
    """Why a file is no checkpoint."""
    digest, body = content[:_DIGEST_SIZE], content[_DIGEST_SIZE:]
    if hashlib.sha256(body).digest() != digest:
        return "its content does not match its checksum"
    try:
        unpack(body, "meta")
    except Exception as error:  # noqa: BLE001 - torch has no class of its own for what it cannot read
        return f"it cannot be read as plain tensors ({str(error).splitlines()[0]})"
    return None
