"""Scaled losses of all tasks for a group of preferences."""

import pytest
import torch
from torch import Tensor

from dymu.errors import DataError
from dymu.objectives.task_losses import task_loss
from dymu.spec.task import Task
from dymu.stages.losses import batch_losses

TASKS = (
    Task(name="digit", kind="classification", num_outputs=4, loss_weight=2.0),
    Task(name="depth", kind="depth", num_outputs=1, loss_weight=5.0),
)


@pytest.fixture
def predictions() -> list[Tensor]:
    """Of two images under three preferences."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, 4, generator=generator), torch.randn(2, 3, 1, 5, 5, generator=generator)]


@pytest.fixture
def targets() -> dict[str, Tensor]:
    return {"digit": torch.tensor([1, 3]), "depth": torch.rand(2, 1, 5, 5, generator=torch.Generator()) + 0.1}


def test_each_task_and_preference_has_its_scaled_loss(
    predictions: list[Tensor], targets: dict[str, Tensor]
) -> None:
    found = batch_losses(TASKS, predictions, targets)
    assert found.shape == (3, 2)
    for p in range(3):
        for n, task in enumerate(TASKS):
            expected = task.loss_weight * task_loss(task, predictions[n][:, p], targets[task.name])
            torch.testing.assert_close(found[p, n], expected)


def test_a_missing_target_is_named(predictions: list[Tensor], targets: dict[str, Tensor]) -> None:
    del targets["depth"]
    with pytest.raises(DataError, match="'depth'"):
        batch_losses(TASKS, predictions, targets)
