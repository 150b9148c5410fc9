"""What a dataset asks of a network: its tasks."""

from typing import Literal

from dymu.artifacts.config import check, config

# How a task's targets look; decides its loss, its metrics and the form of its head.
#   classification: (B,) int64 class ids
#   segmentation:   (B, H, W) int64 class ids, IGNORED_CLASS where unknown
#   normals:        (B, 3, H, W) unit vectors, all zero where unknown
#   depth:          (B, 1, H, W) positive, 0 where unknown
TaskKind = Literal["classification", "segmentation", "normals", "depth"]

IGNORED_CLASS = 255


@config
class Task:
    """One task of a dataset.

    Attributes:
        name: Short name, unique in its dataset.
        kind: Decides loss, metrics and head.
        num_outputs: Channels (or classes) that the head predicts.
        loss_weight: The factor w_i of Appendix G that brings task losses to one scale.
    """

    name: str
    kind: TaskKind
    num_outputs: int
    loss_weight: float = 1.0

    def __post_init__(self) -> None:
        check(self.name != "" and "/" not in self.name, self, "name", "a non-empty name without '/'")
        check(self.num_outputs > 0, self, "num_outputs", "a positive number")
        check(self.loss_weight > 0, self, "loss_weight", "a positive number")
