"""Scaled losses of all tasks for a group of preferences."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dymu.objectives.task_losses import grouped_task_loss, loss_sums, scaled_losses
from dymu.spec.targets import target_of
from dymu.spec.task import Task
from dymu.stages.world import ALONE, World


def batch_losses(
    tasks: Sequence[Task],
    predictions: Sequence[Tensor],
    targets: Mapping[str, Tensor],
    world: World = ALONE,
) -> Tensor:
    """(P, N) scaled losses w_i L_i of predictions (B, P, ...), one tensor per task.

    With several ranks, predictions and targets are a shard, and the mean of the results over the ranks is
    the loss of the whole batch: each sum is divided by the valid pixels of all ranks, not of its own, so that
    every pixel counts alike however the batch is cut.
    """
    pairs = [
        (task, _at_least_single(prediction), target_of(task, targets))
        for task, prediction in zip(tasks, predictions, strict=True)
    ]
    if world.size == 1:
        return scaled_losses(tasks, torch.stack([grouped_task_loss(*pair) for pair in pairs], dim=1))
    sums = [loss_sums(*pair) for pair in pairs]
    count_N = world.sum(torch.stack([count for _, count in sums]))
    total_PN = torch.stack([total for total, _ in sums], dim=1)
    return scaled_losses(tasks, world.size * total_PN / count_N.clamp(min=1))


def _at_least_single(prediction: Tensor) -> Tensor:
    return prediction.float() if prediction.dtype == torch.bfloat16 else prediction
