"""Task metrics against plain loops, and against how a split is cut into batches."""

import math
from typing import get_args

import pytest
import torch
from torch import Tensor

from dymu.errors import DataError
from dymu.metrics.task_metrics import THRESHOLDS, metric_of, task_metric, task_statistics
from dymu.objectives.task_losses import task_loss
from dymu.spec.task import BINARY_KINDS, IGNORED_CLASS, Task, TaskKind

DIGIT = Task(name="left", kind="classification", num_outputs=4)
ROOM = Task(name="room", kind="segmentation", num_outputs=4)
NORMALS = Task(name="normals", kind="normals", num_outputs=3)
DEPTH = Task(name="depth", kind="depth", num_outputs=1)
SALIENCY = Task(name="saliency", kind="saliency", num_outputs=1)
EDGES = Task(name="edges", kind="edges", num_outputs=1, positive_weight=0.95)
BALANCED = Task(name="contours", kind="edges", num_outputs=1)
DENSE = [ROOM, NORMALS, DEPTH, SALIENCY, EDGES, BALANCED]
TASKS = [DIGIT, *DENSE]
COUNT, HEIGHT, WIDTH = 7, 4, 5


def example(task: Task, *, groups: int = 2) -> tuple[Tensor, Tensor]:
    """Predictions (B, P, C, ...) and a target in which about a third of the pixels is unknown."""
    generator = torch.Generator().manual_seed(0)
    image = () if task.kind == "classification" else (HEIGHT, WIDTH)
    prediction = torch.randn(COUNT, groups, task.num_outputs, *image, generator=generator)
    unknown = torch.rand(COUNT, HEIGHT, WIDTH, generator=generator) < 0.3
    if task.kind == "classification":
        return prediction, torch.randint(4, (COUNT,), generator=generator)
    if task.kind == "segmentation":
        classes = torch.randint(3, (COUNT, HEIGHT, WIDTH), generator=generator)  # class 3 never occurs
        return prediction, classes.masked_fill(unknown, IGNORED_CLASS)
    values = torch.rand(COUNT, task.num_outputs, HEIGHT, WIDTH, generator=generator) + 0.1
    if task.kind in BINARY_KINDS:
        positive = (values > 0.6).float()
        return prediction, positive.masked_fill(unknown.unsqueeze(1), IGNORED_CLASS)
    if task.kind == "normals":
        values = torch.nn.functional.normalize(values, dim=1)
    return prediction, values.masked_fill(unknown.unsqueeze(1), 0.0)


def unknown_value(task: Task) -> int:
    return 0 if task.kind in {"normals", "depth"} else IGNORED_CLASS


def jaccard_by_hand(prediction: Tensor, target: Tensor) -> float:
    best = 0.0
    for step in range(15):
        threshold = 0.2 + 0.05 * step
        ratios = []
        for b in range(len(target)):
            pairs = zip(prediction[b].flatten().tolist(), target[b].flatten().tolist(), strict=True)
            marks = [(1 / (1 + math.exp(-g)) > threshold, w == 1) for g, w in pairs if w != IGNORED_CLASS]
            either = sum(g or w for g, w in marks)
            if marks:
                ratios.append(sum(g and w for g, w in marks) / either if either else 1.0)
        best = max(best, sum(ratios) / len(ratios))
    return best


def known_pixels(prediction: Tensor, target: Tensor) -> list[tuple[list[float], list[float]]]:
    """Predicted and wanted numbers at each known pixel, for one prediction set."""
    pairs = []
    for b in range(len(target)):
        for y in range(HEIGHT):
            for x in range(WIDTH):
                want = target[b, ..., y, x].flatten().tolist()
                if any(want) if target.is_floating_point() else want[0] != IGNORED_CLASS:
                    pairs.append((prediction[b, :, y, x].tolist(), want))
    return pairs


def metric_by_hand(task: Task, prediction: Tensor, target: Tensor) -> float:
    if task.kind == "classification":
        hits = [int(prediction[b].argmax()) == int(target[b]) for b in range(len(target))]
        return sum(hits) / len(hits)
    if task.kind == "saliency":
        return jaccard_by_hand(prediction, target)
    if task.kind == "edges":
        return task_loss(task, prediction.double(), target).item()
    pairs = known_pixels(prediction, target)
    if task.kind == "depth":
        return math.sqrt(sum((got[0] - want[0]) ** 2 for got, want in pairs) / len(pairs))
    if task.kind == "normals":
        angles = []
        for got, want in pairs:
            length = math.sqrt(sum(g * g for g in got)) * math.sqrt(sum(w * w for w in want))
            angles.append(
                math.degrees(math.acos(sum(g * w for g, w in zip(got, want, strict=True)) / length))
            )
        return sum(angles) / len(angles)
    labels = [(got.index(max(got)), int(want[0])) for got, want in pairs]
    ratios = []
    for label in range(task.num_outputs):
        both = sum(g == label and w == label for g, w in labels)
        either = sum(label in (g, w) for g, w in labels)
        if either:
            ratios.append(both / either)
    return sum(ratios) / len(ratios)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_the_metric_is_what_its_name_says(task: Task) -> None:
    prediction, target = example(task)
    values = task_metric(task, task_statistics(task, prediction, target))
    assert (values.dtype, values.shape) == (torch.float64, (2,))
    for p in range(2):
        assert values[p].item() == pytest.approx(metric_by_hand(task, prediction[:, p], target), rel=1e-6)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_batches_combine_exactly(task: Task) -> None:
    prediction, target = example(task)
    whole = task_statistics(task, prediction, target)
    cuts = [(0, 1), (1, 3), (3, COUNT)]
    parts = torch.stack([task_statistics(task, prediction[a:b], target[a:b]) for a, b in cuts]).sum(dim=0)
    torch.testing.assert_close(task_metric(task, parts), task_metric(task, whole), rtol=1e-14, atol=0)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_a_metric_lies_in_its_range_and_knows_its_direction(task: Task) -> None:
    info = metric_of(task.kind)
    prediction, target = example(task)
    value = task_metric(task, task_statistics(task, prediction, target))[0].item()
    assert info.value(value).value == value
    if task.kind == "classification":
        perfect = torch.nn.functional.one_hot(target, 4).double()
    elif task.kind == "segmentation":
        known = target.masked_fill(target == IGNORED_CLASS, 0)
        perfect = torch.nn.functional.one_hot(known, 4).double().movedim(-1, 1)
    elif task.kind in BINARY_KINDS:
        perfect = 1e4 * (2 * target - 1)
    else:
        perfect = target
    best = task_metric(task, task_statistics(task, perfect.unsqueeze(1), target))[0].item()
    assert best == pytest.approx(info.upper if info.higher_is_better else info.lower, abs=1e-12)
    assert (best > value) is info.higher_is_better


def test_what_is_predicted_at_unknown_pixels_does_not_matter() -> None:
    for task in DENSE:
        prediction, target = example(task)
        unknown = (target == unknown_value(task)).reshape(COUNT, -1, HEIGHT, WIDTH).all(dim=1)
        garbled = torch.where(unknown[:, None, None], torch.inf, prediction)
        torch.testing.assert_close(
            task_statistics(task, garbled, target), task_statistics(task, prediction, target)
        )


def test_a_class_that_is_predicted_but_never_occurs_counts_as_missed() -> None:
    target = torch.zeros(1, 1, 2, dtype=torch.long)
    prediction = torch.zeros(1, 1, 4, 1, 2)
    prediction[0, 0, 0, 0, 0] = 1.0  # the first pixel right, the second taken for class 3
    prediction[0, 0, 3, 0, 1] = 1.0
    value = task_metric(ROOM, task_statistics(ROOM, prediction, target))
    assert value.item() == pytest.approx((1 / 2 + 0) / 2)


@pytest.mark.parametrize(("degrees", "tolerance"), [(1e-5, 1e-9), (90.0, 1e-9), (179.99999, 1e-7)])
def test_small_and_large_angles_keep_their_digits(degrees: float, tolerance: float) -> None:
    angle = math.radians(degrees)
    prediction = torch.tensor([math.sin(angle), 0.0, math.cos(angle)], dtype=torch.float64).view(
        1, 1, 3, 1, 1
    )
    target = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).view(1, 3, 1, 1)
    value = task_metric(NORMALS, task_statistics(NORMALS, 3 * prediction, target))
    assert value.item() == pytest.approx(degrees, abs=tolerance)


def test_a_null_vector_is_a_right_angle_off() -> None:
    target = torch.tensor([0.0, 0.6, 0.8]).view(1, 3, 1, 1)
    value = task_metric(NORMALS, task_statistics(NORMALS, torch.zeros(1, 1, 3, 1, 1), target))
    assert value.item() == pytest.approx(90.0)


@pytest.mark.parametrize("task", DENSE, ids=lambda task: task.name)
def test_a_split_without_labels_is_refused_by_task_name(task: Task) -> None:
    prediction, target = example(task)
    blank = torch.full_like(target, unknown_value(task))
    with pytest.raises(DataError, match=f"task '{task.name}' has no labelled pixel"):
        task_metric(task, task_statistics(task, prediction, blank))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_wrong_shapes_are_refused_by_task_name(task: Task) -> None:
    prediction, target = example(task)
    with pytest.raises(DataError, match=f"'{task.name}'"):
        task_statistics(task, prediction, target[:-1])
    with pytest.raises(DataError, match=f"'{task.name}'"):
        task_statistics(task, prediction[:, 0], target)


def test_each_kind_has_a_metric_of_its_own() -> None:
    kinds: tuple[TaskKind, ...] = get_args(TaskKind)
    assert len({metric_of(kind).name for kind in kinds}) == len(kinds)


def test_the_threshold_is_one_for_all_images() -> None:
    # Image 0 is best above .55, image 1 below .45: the best of each by itself would be 1.
    logits = torch.tensor([[2.0, 0.2, -3.0], [-0.3, -0.3, -3.0]]).view(2, 1, 1, 1, 3)
    target = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]).view(2, 1, 1, 3)
    statistics = task_statistics(SALIENCY, logits, target)
    assert statistics.shape == (1, len(THRESHOLDS) + 1)
    assert task_metric(SALIENCY, statistics).item() == pytest.approx((0.5 + 1) / 2)
    apart = [task_metric(SALIENCY, task_statistics(SALIENCY, logits[b:], target[b:])) for b in range(2)]
    assert apart[1].item() == 1.0


def test_thresholds_are_those_of_published_code() -> None:
    assert [round(threshold, 2) for threshold in THRESHOLDS[:2]] == [0.2, 0.25]
    assert (len(THRESHOLDS), THRESHOLDS[-1]) == (15, 0.9)


def test_an_image_without_known_pixels_is_no_image_of_the_mean() -> None:
    prediction, target = example(SALIENCY)
    joined = torch.cat([target, torch.full_like(target[:1], IGNORED_CLASS)])
    more = task_statistics(SALIENCY, torch.cat([prediction, prediction[:1]]), joined)
    torch.testing.assert_close(more, task_statistics(SALIENCY, prediction, target))


def test_nothing_salient_and_nothing_predicted_is_right() -> None:
    target = torch.zeros(1, 1, 2, 2)
    right, wrong = torch.full((2, 1, 1, 1, 2, 2), -5.0)
    wrong = -wrong
    assert task_metric(SALIENCY, task_statistics(SALIENCY, right, target)).item() == 1.0
    assert task_metric(SALIENCY, task_statistics(SALIENCY, wrong, target)).item() == 0.0


def test_edges_take_logits_and_not_probabilities() -> None:
    target = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    logits = torch.tensor([3.0, -3.0]).view(1, 1, 1, 1, 2)
    found = task_metric(EDGES, task_statistics(EDGES, logits, target)).item()
    assert found == pytest.approx(0.5 * math.log1p(math.exp(-3.0)))


def test_the_angle_of_normals_is_a_mean_and_not_a_root_of_squares() -> None:
    target = torch.tensor([[0.0, 0.0, 1.0]] * 2).T.reshape(1, 3, 1, 2)
    prediction = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]).T.reshape(1, 1, 3, 1, 2)
    assert task_metric(NORMALS, task_statistics(NORMALS, prediction, target)).item() == pytest.approx(45.0)


def test_depth_counts_pixels_alike_and_not_images() -> None:
    target = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]).view(2, 1, 1, 4)
    error = torch.tensor([[2.0, 9.0, 9.0, 9.0], [1.0, 1.0, 1.0, 1.0]]).view(2, 1, 1, 4)
    value = task_metric(DEPTH, task_statistics(DEPTH, (target + error).unsqueeze(1), target)).item()
    assert value == pytest.approx(math.sqrt((4 + 4 * 1) / 5))


def test_confusion_counts_by_target_then_prediction() -> None:
    target = torch.tensor([[[2, 2, IGNORED_CLASS]]])
    prediction = torch.zeros(1, 1, 4, 1, 3)
    prediction[0, 0, 1] = 1.0  # class 1 everywhere
    statistics = task_statistics(ROOM, prediction, target)
    assert statistics[0, 2, 1] == 2
    assert statistics.sum() == 2
