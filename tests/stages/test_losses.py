"""Scaled losses of all tasks for a group of preferences."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from dymu.errors import DataError
from dymu.objectives.task_losses import loss_sums, task_loss
from dymu.spec.task import IGNORED_CLASS, Task
from dymu.stages.losses import batch_losses
from dymu.stages.world import World

TASKS = (
    Task(name="digit", kind="classification", num_outputs=4, loss_weight=2.0),
    Task(name="depth", kind="depth", num_outputs=1, loss_weight=5.0),
    Task(name="saliency", kind="saliency", num_outputs=1, loss_weight=3.0),
    Task(name="edges", kind="edges", num_outputs=1, loss_weight=50.0, positive_weight=0.95),
)


@pytest.fixture
def predictions() -> list[Tensor]:
    """Of two images under three preferences."""
    generator = torch.Generator().manual_seed(0)
    dense = [torch.randn(2, 3, 1, 5, 5, generator=generator) for _ in TASKS[1:]]
    return [torch.randn(2, 3, 4, generator=generator), *dense]


@pytest.fixture
def targets() -> dict[str, Tensor]:
    """The second image has more salient pixels than the first, and fewer known ones."""
    numbers = torch.rand(2, 1, 5, 5, generator=torch.Generator().manual_seed(1))
    salient = (numbers > torch.tensor([0.8, 0.3]).view(2, 1, 1, 1)).float()
    salient[1, :, :2] = IGNORED_CLASS
    return {"digit": torch.tensor([1, 3]), "depth": numbers + 0.1, "saliency": salient, "edges": salient}


@dataclass(frozen=True, kw_only=True)
class Pretended(World):
    """A rank of which the others are known."""

    total: Tensor

    def sum(self, tensor: Tensor) -> Tensor:
        assert tensor.shape == self.total.shape
        return self.total


def test_each_task_and_preference_has_its_scaled_loss(
    predictions: list[Tensor], targets: dict[str, Tensor]
) -> None:
    found = batch_losses(TASKS, predictions, targets)
    assert found.shape == (3, 4)
    for p in range(3):
        for n, task in enumerate(TASKS):
            expected = task.loss_weight * task_loss(task, predictions[n][:, p], targets[task.name])
            torch.testing.assert_close(found[p, n], expected)


def test_a_missing_target_is_named(predictions: list[Tensor], targets: dict[str, Tensor]) -> None:
    del targets["depth"]
    with pytest.raises(DataError, match="'depth'"):
        batch_losses(TASKS, predictions, targets)


def test_the_mean_over_ranks_is_the_loss_of_the_whole_batch(
    predictions: list[Tensor], targets: dict[str, Tensor]
) -> None:
    whole = [
        loss_sums(task, prediction, targets[task.name])
        for task, prediction in zip(TASKS, predictions, strict=True)
    ]
    total = torch.cat([sums.count_K for sums in whole])
    shards = [
        batch_losses(
            TASKS,
            [prediction[rank : rank + 1] for prediction in predictions],
            {name: target[rank : rank + 1] for name, target in targets.items()},
            Pretended(rank=rank, size=2, total=total),
        )
        for rank in range(2)
    ]
    torch.testing.assert_close((shards[0] + shards[1]) / 2, batch_losses(TASKS, predictions, targets))
