"""Where a step runs: folders, device, ranks, spool and checkpoints. None of it is part of an address."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dymu.artifacts.step import Step
from dymu.data.examples import DataPlace
from dymu.stages.checkpoint import Checkpoints, pack, unpack
from dymu.stages.randomness import Randomness
from dymu.stages.world import ALONE, World
from dymu.tracking.spool import Spool


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
        closing: What has to end with the stage, however it ends; whoever runs the stage closes it.
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
    closing: ExitStack = field(default_factory=ExitStack)
    _last_checkpoint: float = field(default_factory=time.monotonic)
    _last_step: int = 0

    def __post_init__(self) -> None:
        self.spool = Spool(self.work_dir, address=self.step.address)
        self._checkpoints = Checkpoints(self.work_dir)

    @property
    def random(self) -> Randomness:
        """Generators of this step."""
        assert self.step.seed is not None, f"{self.step.stage} draws numbers but its step has no seed"
        return Randomness(self.step.seed, self.step.stage)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Tell the metrics of a step.

        Raises:
            Superseded: If somebody else took the step over.
        """
        if self.world.leader:
            self.fence()
        self.spool.log(step, metrics)

    def checkpoint_due(self, step: int) -> bool:
        """Whether the cadence asks for a checkpoint when ``step`` training steps are done."""
        if not self.world.leader:
            return False
        if self.checkpoint_steps is not None and step - self._last_step >= self.checkpoint_steps:
            return True
        return time.monotonic() - self._last_checkpoint >= self.checkpoint_seconds

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a checkpoint: plain containers and tensors, and ``step``; only the leader writes.

        Raises:
            StoreError: If the disk refuses; the checkpoint before is then unchanged.
            Superseded: If somebody else took the step over.
        """
        if not self.world.leader:
            return
        self.fence()
        self._checkpoints.write(pack(state))
        self._last_checkpoint, self._last_step = time.monotonic(), int(state["step"])
        self.saved()

    def restore(self) -> dict[str, Any] | None:
        """The leader's last checkpoint that can be read, on all ranks; ``None`` without one.

        Raises:
            StoreError: If the disk refuses.
        """
        content = self.world.broadcast(self._checkpoints.read() if self.world.leader else None)
        return None if content is None else unpack(content, self.device)

    def begin(self, step: int) -> None:
        """Note that training starts, or goes on, at a step."""
        self._last_step = step
        self._checkpoints.begin(step, self.world.size)

    def count(self, step: int) -> None:
        """Note that ``step`` training steps are done."""
        self._checkpoints.count(step)
