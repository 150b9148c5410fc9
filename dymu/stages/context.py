"""Where a step runs: folders, device, spool and checkpoints. None of it is part of an address."""

import hashlib
import io
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from dymu.artifacts.files import disk_errors
from dymu.artifacts.step import Step
from dymu.data.examples import DataPlace
from dymu.errors import StoreError
from dymu.stages.randomness import Randomness
from dymu.stages.world import ALONE, World
from dymu.tracking.spool import Spool

# SHA-256 of what follows, then what torch saved. Torch itself reads changed numbers without a word.
CHECKPOINT = "checkpoint.pt"
_DIGEST_SIZE = hashlib.sha256().digest_size


class Interrupted(BaseException):
    """The step was asked to stop; its checkpoint is written. Not an error, so not an ``Exception``."""


class Superseded(BaseException):
    """Somebody else computes the step by now; what this process still holds of it counts for nothing."""


def _nothing() -> None:
    """What a hook does that nobody set."""


@dataclass(kw_only=True)
class RunContext:
    """Everything a stage function may know about its surroundings.

    Attributes:
        step: The step that runs.
        out_dir: Empty folder; what lies in it at the end is published.
        work_dir: Scratch folder that survives interruption: checkpoint, metrics, progress.
        input_dirs: Published folders of the step's inputs, by role.
        data: Where data lies.
        device: Torch device.
        checkpoint_seconds: Least time between checkpoints.
        checkpoint_steps: Training steps after which a checkpoint is due even before that time; ``None``
            leaves it to the time.
        world: The ranks that train the step together. Only the leader's folders count; the other ranks get
            some that are thrown away.
        fence: Asked before each checkpoint, metrics line and publication; raises :class:`Superseded` if
            somebody else took the step over.
        saved: Called after each checkpoint.
        parts: Published folders of the step's parts, by their address, if all of them exist.
        stop_requested: Asked between training steps; true leads to a checkpoint and :class:`Interrupted`.
    """

    step: Step
    out_dir: Path
    work_dir: Path
    input_dirs: Mapping[str, Path]
    data: DataPlace
    device: str = "cpu"
    checkpoint_seconds: float = 10.0
    checkpoint_steps: int | None = None
    world: World = ALONE
    fence: Callable[[], None] = _nothing
    saved: Callable[[], None] = _nothing
    parts: Mapping[str, Path] = field(default_factory=dict)
    stop_requested: Callable[[], bool] = field(default=lambda: False)
    _last_checkpoint: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.spool = Spool(self.work_dir, address=self.step.address)

    @property
    def random(self) -> Randomness:
        """Generators of this step."""
        assert self.step.seed is not None, f"{self.step.stage} draws numbers but its step has no seed"
        return Randomness(self.step.seed, self.step.stage)

    def checkpoint_due(self) -> bool:
        """Whether the cadence asks for a checkpoint now."""
        return time.monotonic() - self._last_checkpoint >= self.checkpoint_seconds

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a checkpoint: plain containers and tensors only; whole or not at all.

        Raises:
            StoreError: If the disk refuses; the checkpoint before is then unchanged.
        """
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        path = self.work_dir / CHECKPOINT
        with disk_errors(path, doing="write"):
            _replace(path, buffer.getbuffer())
        self._last_checkpoint = time.monotonic()

    def restore(self) -> dict[str, Any] | None:
        """The last checkpoint, or ``None`` if the step has not started.

        Raises:
            StoreError: If the checkpoint does not match its checksum or cannot be read as plain tensors.
        """
        path = self.work_dir / CHECKPOINT
        if not path.exists():
            return None
        try:
            state = self._read(path)
        except Exception as error:
            raise StoreError(
                f"the checkpoint {path} of {self.step.address} cannot be read ({error}); "
                "delete that file to start this step from its beginning."
            ) from error
        assert isinstance(state, dict)
        return state

    def _read(self, path: Path) -> Any:
        with path.open("rb") as file:
            expected, content = file.read(_DIGEST_SIZE), file.read()
        if hashlib.sha256(content).digest() != expected:
            raise StoreError("its content does not match its checksum")
        return torch.load(io.BytesIO(content), map_location=self.device, weights_only=True)


def _replace(path: Path, content: memoryview) -> None:
    partial = path.with_suffix(path.suffix + ".part")
    try:
        with partial.open("wb") as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
