"""Scaled losses of all tasks for a group of preferences."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dymu.objectives.task_losses import (
    LossSums,
    grouped_task_loss,
    loss_of_sums,
    loss_sums,
    scaled_losses,
)
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
    the loss of the whole batch: sums are weighed by the valid pixels of all ranks, not of their own, so that
    every pixel counts alike however the batch is cut.
    """
    pairs = [
        (task, prediction, target_of(task, targets))
        for task, prediction in zip(tasks, predictions, strict=True)
    ]
    if world.size == 1:
        return scaled_losses(tasks, torch.stack([grouped_task_loss(*pair) for pair in pairs], dim=1))
    sums = [loss_sums(*pair) for pair in pairs]
    everywhere = world.sum(torch.cat([own.count_K for own in sums])).split([len(own.count_K) for own in sums])
    losses = [
        loss_of_sums(LossSums(world.size * own.total_KP, count_K))
        for own, count_K in zip(sums, everywhere, strict=True)
    ]
    return scaled_losses(tasks, torch.stack(losses, dim=1))
