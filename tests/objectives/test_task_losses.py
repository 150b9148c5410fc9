"""Losses against plain loops over valid examples and pixels, then one property a test."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from dymu.errors import DataError
from dymu.objectives.task_losses import (
    grouped_task_loss,
    loss_of_sums,
    loss_sums,
    scaled_losses,
    task_loss,
)
from dymu.spec.task import BINARY_KINDS, IGNORED_CLASS, Task

DIGIT = Task(name="left", kind="classification", num_outputs=5, loss_weight=2.0)
ROOM = Task(name="room", kind="segmentation", num_outputs=4)
NORMALS = Task(name="normals", kind="normals", num_outputs=3, loss_weight=10.0)
DEPTH = Task(name="depth", kind="depth", num_outputs=1, loss_weight=3.0)
PER_PIXEL = Task(name="vectors", kind="normals", num_outputs=3, per_element=False)
SALIENCY = Task(name="saliency", kind="saliency", num_outputs=1, loss_weight=5.0)
EDGES = Task(name="edges", kind="edges", num_outputs=1, loss_weight=50.0, positive_weight=0.95)
TASKS = [DIGIT, ROOM, NORMALS, DEPTH, PER_PIXEL, SALIENCY, EDGES]
DENSE = [ROOM, NORMALS, DEPTH, SALIENCY, EDGES]
BINARY = [SALIENCY, EDGES]
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
    if task.kind in BINARY_KINDS:
        positive = torch.rand(shape, generator=generator) < 0.3
        return prediction, positive.double().masked_fill(unknown.unsqueeze(1), IGNORED_CLASS)
    values = torch.rand(shape, generator=generator, dtype=torch.float64) + 0.1
    if task.kind == "normals":
        values = values / values.norm(dim=1, keepdim=True)
    return prediction, values.masked_fill(unknown.unsqueeze(1), 0.0)


def unknown_value(task: Task) -> int:
    return 0 if task.kind in {"normals", "depth"} else IGNORED_CLASS


def as_described(task: Task, predictions: list[Tensor], targets: list[Tensor]) -> float:
    """The loss of a batch, image by image and pixel by pixel."""
    terms = [
        term for pair in zip(predictions, targets, strict=True) for term in terms_as_described(task, *pair)
    ]
    if task.kind not in BINARY_KINDS:
        return sum(terms) / len(terms)
    labels = [label for target in targets for label in target.flatten().tolist() if label != IGNORED_CLASS]
    weight = task.positive_weight or labels.count(0) / len(labels)
    pairs = zip(labels, terms, strict=True)
    return sum((weight if label else 1 - weight) * term for label, term in pairs) / len(labels)


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
            if task.kind in BINARY_KINDS:
                if want[0] != IGNORED_CLASS:
                    terms.append(-math.log(1 / (1 + math.exp(-got[0] if want[0] else got[0]))))
                continue
            if not any(want):
                continue
            length = math.sqrt(sum(g * g for g in got)) if task.kind == "normals" else 1.0
            parts = len(want) if task.per_element else 1
            terms.append(sum(abs(g / length - w) for g, w in zip(got, want, strict=True)) / parts)
    return terms


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_the_loss_is_the_mean_over_all_valid_pixels_of_the_batch(task: Task) -> None:
    prediction, target = example(task)
    losses = grouped_task_loss(task, prediction, target)
    for p in range(2):
        expected = as_described(task, list(prediction[:, p]), list(target))
        assert losses[p].item() == pytest.approx(expected, rel=1e-12)
        assert task_loss(task, prediction[:, p], target).item() == pytest.approx(losses[p].item())


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_sums_of_unequal_batches_combine_exactly(task: Task) -> None:
    prediction, target = example(task)
    first = loss_sums(task, prediction[:1], target[:1])
    rest = loss_sums(task, prediction[1:], target[1:])
    torch.testing.assert_close(loss_of_sums(first + rest), grouped_task_loss(task, prediction, target))


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


@pytest.mark.parametrize("task", DENSE, ids=lambda task: task.kind)
def test_a_batch_without_valid_pixels_costs_exactly_nothing(task: Task) -> None:
    prediction, target = example(task)
    blank = torch.full_like(target, unknown_value(task))
    leaf = prediction.clone().requires_grad_()
    losses = grouped_task_loss(task, leaf, blank)
    assert losses.tolist() == [0.0, 0.0]
    assert not torch.autograd.grad(losses.sum(), leaf)[0].any()


@pytest.mark.parametrize("task", DENSE, ids=lambda task: task.kind)
def test_unknown_pixels_have_no_gradient_and_known_ones_do(task: Task) -> None:
    prediction, target = example(task)
    unknown = (target == unknown_value(task)).reshape(BATCH, -1, HEIGHT, WIDTH).all(dim=1)
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
    assert torch.autograd.grad(loss, leaf)[0].abs().max() < 1e6


def test_extreme_logits_stay_finite() -> None:
    leaf = torch.tensor([[1e30, -1e30, 0.0, 1.0, 2.0]], requires_grad=True)
    loss = task_loss(DIGIT, leaf, torch.tensor([0]))
    assert loss.item() == 0.0
    assert torch.autograd.grad(loss, leaf)[0].isfinite().all()


@pytest.mark.parametrize("task", BINARY, ids=lambda task: task.kind)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_extreme_binary_logits_stay_finite(task: Task, dtype: torch.dtype) -> None:
    logits = torch.tensor([3e4, -3e4, 0.0, 3e4, -3e4]).to(dtype).view(1, 1, 1, 5)
    target = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0]).view(1, 1, 1, 5)
    leaf = logits.requires_grad_()
    loss = task_loss(task, leaf, target)
    assert 0 < loss.item() < math.inf
    assert torch.autograd.grad(loss, leaf)[0].isfinite().all()


def test_right_and_confident_binary_logits_cost_nothing() -> None:
    target = torch.tensor([1.0, 0.0, 1.0, 0.0]).view(1, 1, 2, 2)
    for task in BINARY:
        assert task_loss(task, (2 * target - 1) * 1e4, target).item() == 0.0


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_predictions_are_summed_in_single_precision(task: Task, dtype: torch.dtype) -> None:
    prediction, target = example(task)
    rough = (100 * prediction).to(dtype)
    target = target.float() if target.is_floating_point() else target
    repeated = 300  # a sum of so many errors would leave the range of float16
    many, targets = (
        rough.repeat(repeated, *[1] * (rough.ndim - 1)),
        target.repeat(repeated, *[1] * (target.ndim - 1)),
    )
    found = grouped_task_loss(task, many, targets)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, grouped_task_loss(task, rough.float(), target), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_null_prediction_in_half_precision_is_finite(task: Task) -> None:
    prediction, target = example(task)
    leaf = torch.zeros_like(prediction, dtype=torch.bfloat16).requires_grad_()
    loss = grouped_task_loss(task, leaf, target).sum()
    assert loss.isfinite()
    assert torch.autograd.grad(loss, leaf)[0].isfinite().all()


def test_a_normal_costs_three_times_as_much_per_pixel_as_per_element() -> None:
    prediction, target = example(NORMALS)
    torch.testing.assert_close(
        grouped_task_loss(PER_PIXEL, prediction, target), 3 * grouped_task_loss(NORMALS, prediction, target)
    )


def test_balanced_classes_weigh_alike_however_rare_one_is() -> None:
    # Without a fixed weight the loss at logit 0 is 2 w (1 - w) log 2: each class has the same part of it.
    target = torch.zeros(1, 1, 4, 5)
    target[..., 0, 0] = 1.0
    leaf = torch.zeros(1, 1, 4, 5, requires_grad=True)
    loss = task_loss(SALIENCY, leaf, target)
    assert loss.item() == pytest.approx(2 * 0.05 * 0.95 * math.log(2))
    (grad,) = torch.autograd.grad(loss, leaf)
    assert grad[target == 1].sum().item() == pytest.approx(-grad[target == 0].sum().item())


def test_the_balance_is_that_of_the_whole_batch() -> None:
    # One image is nearly all salient, the other nearly not: image by image the balance would be another.
    target = torch.zeros(2, 1, 4, 5)
    target[0, :, 1:] = 1.0
    logits = torch.randn(2, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    whole = task_loss(SALIENCY, logits, target).item()
    assert whole == pytest.approx(as_described(SALIENCY, list(logits), list(target)), rel=1e-5)
    apart = [task_loss(SALIENCY, logits[b : b + 1], target[b : b + 1]).item() for b in range(2)]
    assert abs(whole - sum(apart) / 2) > 0.01


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_balanced_batch_of_one_class_costs_nothing(value: float) -> None:
    target = torch.full((1, 1, 4, 5), value)
    assert task_loss(SALIENCY, torch.ones(1, 1, 4, 5), target).item() == 0.0
    assert task_loss(EDGES, torch.ones(1, 1, 4, 5), target).item() > 0.0


def test_an_image_without_any_known_pixel_changes_nothing() -> None:
    for task in DENSE:
        prediction, target = example(task)
        blank = torch.full_like(target[:1], unknown_value(task))
        joined = torch.cat([prediction, prediction[:1]]), torch.cat([target, blank])
        torch.testing.assert_close(
            grouped_task_loss(task, *joined), grouped_task_loss(task, prediction, target)
        )


def test_scaling_multiplies_each_task_by_its_own_weight() -> None:
    losses = torch.arange(1.0, 9.0).view(2, 4)
    expected = torch.tensor([[2.0, 2.0, 30.0, 12.0], [10.0, 6.0, 70.0, 24.0]])
    assert torch.equal(scaled_losses(TASKS[:4], losses), expected)


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
