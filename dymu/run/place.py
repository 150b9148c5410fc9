"""Where and how steps run; the part of a run that no address knows."""

from dataclasses import dataclass, field
from pathlib import Path

from dymu.run.provenance import CodeVersion
from dymu.run.resources import Resources, ResourceTable


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where and how steps run.

    Attributes:
        data_root: Folder of datasets that are not generated.
        device: Torch device.
        resources: What the stages may use.
        checkpoint_seconds: Least time between checkpoints.
        checkpoint_steps: Training steps after which a checkpoint is written even before that time.
        code: What the driver found out about the code.
        capture_output: Send what a stage and its libraries print to the log in its work folder.
    """

    data_root: Path | None = None
    device: str = "cpu"
    resources: ResourceTable = field(default_factory=ResourceTable)
    checkpoint_seconds: float = 10.0
    checkpoint_steps: int | None = None
    code: CodeVersion
    capture_output: bool = False

    def resources_of(self, stage: str) -> Resources:
        """What a stage takes."""
        return self.resources.of(stage, device=self.device)

    def device_of(self, stage: str) -> str:
        """The device of a stage; one that takes no GPU runs on the CPU."""
        return self.device if self.resources_of(stage).gpus else "cpu"
