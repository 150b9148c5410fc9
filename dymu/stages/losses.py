"""Scaled losses of all tasks for a group of preferences."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dymu.objectives.task_losses import grouped_task_loss, scaled_losses
from dymu.spec.targets import target_of
from dymu.spec.task import Task


def batch_losses(
    tasks: Sequence[Task], predictions: Sequence[Tensor], targets: Mapping[str, Tensor]
) -> Tensor:
    """(P, N) scaled losses w_i L_i of predictions (B, P, ...), one tensor per task."""
    losses = [
        grouped_task_loss(task, prediction, target_of(task, targets))
        for task, prediction in zip(tasks, predictions, strict=True)
    ]
    return scaled_losses(tasks, torch.stack(losses, dim=1))
