"""Losses against plain loops over valid examples and pixels, then one property a test."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from dymu.errors import DataError
from dymu.objectives.task_losses import (
    grouped_task_loss,
    loss_sums,
    scaled_losses,
    task_loss,
)
from dymu.spec.task import IGNORED_CLASS, Task

DIGIT = Task(name="left", kind="classification", num_outputs=5, loss_weight=2.0)
ROOM = Task(name="room", kind="segmentation", num_outputs=4)
NORMALS = Task(name="normals", kind="normals", num_outputs=3, loss_weight=10.0)
DEPTH = Task(name="depth", kind="depth", num_outputs=1, loss_weight=3.0)
TASKS = [DIGIT, ROOM, NORMALS, DEPTH]
BATCH, HEIGHT, WIDTH = 3, 4, 5


def example(task: Task, *, seed: int = 0, groups: int = 2) -> tuple[Tensor, Tensor]:
    """Predictions (B, P, C, ...) and a target in which about a third of the pixels is unknown."""
    generator = torch.Generator().manual_seed(seed)
    image = () if task.kind == "classification" else (HEIGHT, WIDTH)
    prediction = torch.randn(
        BATCH, groups, task.num_outputs, *image, generator=generator, dtype=torch.float64
    )
    unknown = torch.rand(BATCH, HEIGHT, WIDTH, generator=generator) < 0.3
    if task.kind == "classification":
        return prediction, torch.randint(task.num_outputs, (BATCH,), generator=generator)
    if task.kind == "segmentation":
        classes = torch.randint(task.num_outputs, (BATCH, HEIGHT, WIDTH), generator=generator)
        return prediction, classes.masked_fill(unknown, IGNORED_CLASS)
    shape = (BATCH, task.num_outputs, HEIGHT, WIDTH)
    values = torch.rand(shape, generator=generator, dtype=torch.float64) + 0.1
    if task.kind == "normals":
        values = values / values.norm(dim=1, keepdim=True)
    return prediction, values.masked_fill(unknown.unsqueeze(1), 0.0)


def terms_as_described(task: Task, prediction: Tensor, target: Tensor) -> list[float]:
    """One number for each valid example or pixel of one example, by plain arithmetic."""
    if task.kind == "classification":
        return [-math.log(prediction.softmax(0)[target].item())]
    terms = []
    for y in range(HEIGHT):
        for x in range(WIDTH):
            got = prediction[:, y, x].tolist()
            if task.kind == "segmentation":
                if (label := int(target[y, x])) != IGNORED_CLASS:
                    terms.append(math.log(sum(math.exp(g) for g in got)) - got[label])
                continue
            want = target[:, y, x].tolist()
            if not any(want):
                continue
            length = math.sqrt(sum(g * g for g in got)) if task.kind == "normals" else 1.0
            terms.append(sum(abs(g / length - w) for g, w in zip(got, want, strict=True)) / len(want))
    return terms


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_the_loss_is_the_mean_over_all_valid_pixels_of_the_batch(task: Task) -> None:
    prediction, target = example(task)
    losses = grouped_task_loss(task, prediction, target)
    for p in range(2):
        terms = [term for b in range(BATCH) for term in terms_as_described(task, prediction[b, p], target[b])]
        assert losses[p].item() == pytest.approx(sum(terms) / len(terms), rel=1e-12)
        assert task_loss(task, prediction[:, p], target).item() == pytest.approx(losses[p].item())


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_sums_of_unequal_batches_combine_exactly(task: Task) -> None:
    prediction, target = example(task)
    first = loss_sums(task, prediction[:1], target[:1])
    rest = loss_sums(task, prediction[1:], target[1:])
    combined = (first[0] + rest[0]) / (first[1] + rest[1])
    torch.testing.assert_close(combined, grouped_task_loss(task, prediction, target))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_loss_keeps_the_dtype_of_the_prediction(task: Task, dtype: torch.dtype) -> None:
    prediction, target = example(task)
    target = target.to(dtype) if target.is_floating_point() else target
    loss = task_loss(task, prediction[:, 0].to(dtype), target)
    assert (loss.dtype, loss.shape) == (dtype, ())


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_gradients_agree_with_finite_differences(task: Task) -> None:
    prediction, target = example(task)
    prediction = prediction[..., :2, :2] if prediction.ndim == 5 else prediction
    target = target[..., :2, :2] if prediction.ndim == 5 else target
    leaf = prediction.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: grouped_task_loss(task, x, target), leaf)


@pytest.mark.parametrize("task", [ROOM, NORMALS, DEPTH], ids=lambda task: task.kind)
def test_a_batch_without_valid_pixels_costs_exactly_nothing(task: Task) -> None:
    prediction, target = example(task)
    blank = torch.full_like(target, IGNORED_CLASS if task.kind == "segmentation" else 0)
    leaf = prediction.clone().requires_grad_()
    losses = grouped_task_loss(task, leaf, blank)
    assert losses.tolist() == [0.0, 0.0]
    assert not torch.autograd.grad(losses.sum(), leaf)[0].any()


@pytest.mark.parametrize("task", [ROOM, NORMALS, DEPTH], ids=lambda task: task.kind)
def test_unknown_pixels_have_no_gradient_and_known_ones_do(task: Task) -> None:
    prediction, target = example(task)
    unknown = target == IGNORED_CLASS if task.kind == "segmentation" else (target == 0).all(dim=1)
    leaf = prediction.clone().requires_grad_()
    (grad,) = torch.autograd.grad(grouped_task_loss(task, leaf, target).sum(), leaf)
    touched = (grad != 0).any(dim=2)
    assert not touched[unknown.unsqueeze(1).expand_as(touched)].any()
    assert touched[~unknown.unsqueeze(1).expand_as(touched)].all()


def test_class_255_is_a_class_in_classification() -> None:
    task = Task(name="many", kind="classification", num_outputs=300)
    prediction = torch.zeros(2, 300)
    assert task_loss(task, prediction, torch.tensor([255, 7])).item() == pytest.approx(math.log(300))


def test_length_of_a_predicted_normal_does_not_matter() -> None:
    prediction, target = example(NORMALS)
    torch.testing.assert_close(
        grouped_task_loss(NORMALS, 7 * prediction, target), grouped_task_loss(NORMALS, prediction, target)
    )


def test_a_null_vector_as_normal_is_finite() -> None:
    leaf = torch.zeros(1, 3, 1, 1, requires_grad=True)
    target = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)
    loss = task_loss(NORMALS, leaf, target)
    assert loss.item() == pytest.approx(1 / 3)
    assert torch.autograd.grad(loss, leaf)[0].isfinite().all()


def test_extreme_logits_stay_finite() -> None:
    leaf = torch.tensor([[1e30, -1e30, 0.0, 1.0, 2.0]], requires_grad=True)
    loss = task_loss(DIGIT, leaf, torch.tensor([0]))
    assert loss.item() == 0.0
    assert torch.autograd.grad(loss, leaf)[0].isfinite().all()


def test_scaling_multiplies_each_task_by_its_own_weight() -> None:
    losses = torch.arange(1.0, 9.0).view(2, 4)
    expected = torch.tensor([[2.0, 2.0, 30.0, 12.0], [10.0, 6.0, 70.0, 24.0]])
    assert torch.equal(scaled_losses(TASKS, losses), expected)


def test_an_unscaled_loss_does_not_know_its_weight() -> None:
    prediction, target = example(DEPTH)
    heavy = Task(name="depth", kind="depth", num_outputs=1, loss_weight=50.0)
    assert torch.equal(
        grouped_task_loss(heavy, prediction, target), grouped_task_loss(DEPTH, prediction, target)
    )


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
@pytest.mark.parametrize("function", [grouped_task_loss, loss_sums])
def test_wrong_shapes_are_refused_by_task_name(task: Task, function: Any) -> None:
    prediction, target = example(task)
    with pytest.raises(DataError, match=f"'{task.name}'"):
        function(task, prediction, target[:-1])
    with pytest.raises(DataError, match=f"'{task.name}'"):
        function(task, prediction[:, 0], target)
    with pytest.raises(DataError, match=f"'{task.name}'"):
        function(task, prediction, target.long() if target.is_floating_point() else target.double())
