"""What a dataset asks of a network: its tasks."""

from typing import Literal

from dymu.artifacts.config import absent_means, check, config

# How a task's targets look; decides its loss, its metrics and the form of its head.
#   classification: (B,) int64 class ids
#   segmentation:   (B, H, W) int64 class ids, IGNORED_CLASS where unknown
#   normals:        (B, 3, H, W) unit vectors, all zero where unknown
#   depth:          (B, 1, H, W) positive, 0 where unknown
#   saliency:       (B, 1, H, W) floating point 0 or 1, IGNORED_CLASS where unknown; the head gives a logit
#   edges:          as saliency
TaskKind = Literal["classification", "segmentation", "normals", "depth", "saliency", "edges"]

IGNORED_CLASS = 255

BINARY_KINDS: frozenset[TaskKind] = frozenset({"saliency", "edges"})


@config
class Task:
    """One task of a dataset.

    Attributes:
        name: Short name, unique in its dataset.
        kind: Decides loss, metrics and head.
        num_outputs: Channels (or classes) that the head predicts.
        loss_weight: The factor w_i of Appendix G that brings task losses to one scale.
        positive_weight: For saliency and edges, the share w of the loss that positive pixels have, between 0
            and 1. ``None`` balances as HED does: w is the share of negative pixels among the valid pixels of
            the whole batch.
        per_element: For normals, whether the loss is the mean over vector components; otherwise it is the
            mean over pixels of the sum over components, three times as much.
    """

    name: str
    kind: TaskKind
    num_outputs: int
    loss_weight: float = 1.0
    positive_weight: float | None = absent_means(None)
    per_element: bool = absent_means(True)

    def __post_init__(self) -> None:
        check(self.name != "" and "/" not in self.name, self, "name", "a non-empty name without '/'")
        check(self.num_outputs > 0, self, "num_outputs", "a positive number")
        check(self.loss_weight > 0, self, "loss_weight", "a positive number")
        binary = self.kind in BINARY_KINDS
        check(self.num_outputs == 1 or not binary, self, "num_outputs", f"1, the logit of {self.kind}")
        if self.positive_weight is not None:
            check(binary, self, "positive_weight", f"None, because {self.kind} has no positive pixels")
            check(0 < self.positive_weight < 1, self, "positive_weight", "a number between 0 and 1, or None")
        is_normals = self.kind == "normals"
        check(self.per_element or is_normals, self, "per_element", f"True, {self.kind} is not counted so")
