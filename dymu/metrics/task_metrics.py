"""What tasks are judged by, beside their losses.

Each kind of task has one metric, computed from statistics that are added over batches, so that the result
does not depend on how the split was cut: ``task_metric(task, sum of task_statistics over batches)``.

Classification: accuracy. Segmentation: intersection over union, mean over the classes that occur in targets
or predictions. Normals: mean angle between predicted and target vector over known pixels. Depth: root of the
mean squared error over known pixels, not over images.

Saliency: an image's Jaccard index of predicted and salient pixels, mean over the images that have known
pixels, at the one threshold among .2, .25, ..., .9 where this mean is largest; an image without salient
pixels in which none is predicted counts as 1. Edges: the mean loss before its scale, which is what the paper
reports, from logits as the loss itself; without a fixed weight, classes are balanced over the whole split.

Letters and shapes as in :mod:`dymu.objectives.task_losses`: predictions are (B, P, C, ...), targets have no
P.
"""

import math
from typing import assert_never

import torch
import torch.nn.functional as F
from torch import Tensor

from dymu.errors import DataError
from dymu.metrics.info import MetricInfo
from dymu.spec.targets import check_target
from dymu.spec.task import IGNORED_CLASS, Task, TaskKind

LOSS = MetricInfo(name="loss", higher_is_better=False, lower=0.0)
ACCURACY = MetricInfo(name="accuracy", higher_is_better=True, lower=0.0, upper=1.0)
MEAN_IOU = MetricInfo(name="mean_iou", higher_is_better=True, lower=0.0, upper=1.0)
MEAN_ANGLE_ERROR = MetricInfo(
    name="mean_angle_error", unit="degrees", higher_is_better=False, lower=0.0, upper=180.0
)
DEPTH_RMSE = MetricInfo(name="depth_rmse", higher_is_better=False, lower=0.0)
MAX_JACCARD = MetricInfo(name="max_jaccard", higher_is_better=True, lower=0.0, upper=1.0)
EDGE_LOSS = MetricInfo(name="edge_loss", higher_is_better=False, lower=0.0)

THRESHOLDS = tuple(number / 20 for number in range(4, 19))


def metric_of(kind: TaskKind) -> MetricInfo:
    """The metric that judges tasks of a kind."""
    match kind:
        case "classification":
            return ACCURACY
        case "segmentation":
            return MEAN_IOU
        case "normals":
            return MEAN_ANGLE_ERROR
        case "depth":
            return DEPTH_RMSE
        case "saliency":
            return MAX_JACCARD
        case "edges":
            return EDGE_LOSS
        case _:
            assert_never(kind)


def task_statistics(task: Task, prediction_BP: Tensor, target_B: Tensor) -> Tensor:
    """What the metric of a task is made from; add the statistics of all batches.

    Args:
        task: The task.
        prediction_BP: (B, P, C) or (B, P, C, H, W), logits or values.
        target_B: As the task's kind says.

    Returns:
        float64: (P, C, C) confusion counts [prediction set, target, predicted class] for segmentation; (P, T
        + 1) sums of Jaccard indices at T thresholds and the number of images for saliency; (P, 4) sums of
        positive and negative errors and their counts for edges; (P, 2) sums and counts for the other kinds.

    Raises:
        DataError: If prediction or target do not have the shape that the task asks for.
    """
    check_target(
        task,
        prediction_shape=tuple(prediction_BP.shape),
        target_shape=tuple(target_B.shape),
        target_is_float=target_B.is_floating_point(),
    )
    match task.kind:
        case "classification":
            hits_BP = prediction_BP.argmax(dim=2) == target_B.unsqueeze(1)
            return _sums_and_counts(hits_BP.double(), torch.ones_like(target_B, dtype=torch.bool))
        case "segmentation":
            return _confusion(prediction_BP.argmax(dim=2), target_B, num_classes=task.num_outputs)
        case "normals":
            return _sums_and_counts(_degrees(prediction_BP, target_B), (target_B != 0).any(dim=1))
        case "depth":
            error_BPHW = (prediction_BP.double() - target_B.double().unsqueeze(1)).squeeze(2)
            return _sums_and_counts(error_BPHW.square(), (target_B > 0).all(dim=1))
        case "saliency":
            return _jaccard_sums(prediction_BP.squeeze(2), target_B.squeeze(1))
        case "edges":
            return _edge_sums(prediction_BP.double().squeeze(2), target_B.squeeze(1))
        case _:
            assert_never(task.kind)


def task_metric(task: Task, statistics: Tensor) -> Tensor:
    """(P,) float64 metric of a task from its added statistics.

    Raises:
        DataError: If the statistics hold no labelled example or pixel; names the task.
    """
    count_P = _count(task, statistics)
    if bool((count_P == 0).any()):
        unit = "example" if task.kind == "classification" else "pixel"
        raise DataError(
            f"task {task.name!r} has no labelled {unit} in the evaluated split, so its "
            f"{metric_of(task.kind).name} is undefined; use a larger split or other targets."
        )
    match task.kind:
        case "segmentation":
            return _mean_iou(statistics)
        case "saliency":
            return statistics[:, :-1].amax(dim=1) / count_P
        case "edges":
            return _edge_loss(statistics, positive_weight=task.positive_weight)
        case "depth":
            return (statistics[:, 0] / count_P).sqrt()
        case "classification" | "normals":
            return statistics[:, 0] / count_P
        case _:
            assert_never(task.kind)


def _count(task: Task, statistics: Tensor) -> Tensor:
    """(P,) examples, pixels or (saliency) images that the statistics are of."""
    if task.kind == "segmentation":
        return statistics.sum(dim=(1, 2))
    return statistics[:, 2:].sum(dim=1) if task.kind == "edges" else statistics[:, -1]


def _sums_and_counts(value_BP: Tensor, valid_B: Tensor) -> Tensor:
    """(P, 2) sum of the valid values and their number."""
    # where, not a product: what is predicted at an unknown pixel must not matter, even if it is not finite.
    kept_BP = torch.where(valid_B.unsqueeze(1), value_BP, 0.0)
    total_P = kept_BP.sum(dim=(0, *range(2, kept_BP.ndim)))
    return torch.stack([total_P, valid_B.sum().double().expand_as(total_P)], dim=1)


def _confusion(classes_BPHW: Tensor, target_BHW: Tensor, *, num_classes: int) -> Tensor:
    """(P, C, C) how often a pixel of class [target] was predicted as class [predicted]."""
    size_P = classes_BPHW.shape[1]
    target_BPHW = target_BHW.unsqueeze(1).expand_as(classes_BPHW)
    set_P = torch.arange(size_P, device=target_BHW.device)[:, None, None]
    cell_BPHW = (set_P * num_classes + target_BPHW) * num_classes + classes_BPHW
    cells = cell_BPHW[target_BPHW != IGNORED_CLASS]
    counts = torch.bincount(cells, minlength=size_P * num_classes**2)
    return counts.reshape(size_P, num_classes, num_classes).double()


def _mean_iou(confusion_PCC: Tensor) -> Tensor:
    """(P,) mean over classes; a class that neither occurs nor is predicted does not count."""
    hits_PC = confusion_PCC.diagonal(dim1=1, dim2=2)
    union_PC = confusion_PCC.sum(dim=1) + confusion_PCC.sum(dim=2) - hits_PC
    return (hits_PC / union_PC).nanmean(dim=1)


def _degrees(prediction_BPCHW: Tensor, target_BCHW: Tensor) -> Tensor:
    """(B, P, H, W) angle between vectors; a predicted null vector is a right angle off."""
    predicted = F.normalize(prediction_BPCHW.double(), dim=2)
    target = F.normalize(target_BCHW.double(), dim=1).unsqueeze(1)
    # arccos of the inner product loses half the digits near 0 and 180 degrees; these chords do not.
    apart = (predicted - target).norm(dim=2)
    together = (predicted + target).norm(dim=2)
    return torch.rad2deg(2 * torch.atan2(apart, together))


def _jaccard_sums(logit_BPHW: Tensor, target_BHW: Tensor) -> Tensor:
    """(P, T + 1) Jaccard index summed over images with known pixels, at each threshold, and their number."""
    batch, size_P, *_ = logit_BPHW.shape
    # One pass: how many pixels of each label (0, 1, 2 for unknown) lie between which thresholds.
    logits_T = logit_BPHW.new_tensor([math.log(threshold / (1 - threshold)) for threshold in THRESHOLDS])
    exceeded_BPHW = torch.bucketize(logit_BPHW.contiguous(), logits_T, out_int32=True)
    label_BHW = torch.where(target_BHW == IGNORED_CLASS, 2, (target_BHW > 0).int()).int()
    image_BP = torch.arange(batch * size_P, dtype=torch.int32, device=label_BHW.device).view(batch, size_P)
    cell_BPHW = 3 * image_BP[:, :, None, None] + label_BHW.unsqueeze(1)
    cell_BPHW = cell_BPHW * (len(THRESHOLDS) + 1) + exceeded_BPHW
    size = 3 * batch * size_P * (len(THRESHOLDS) + 1)
    counts = torch.bincount(cell_BPHW.flatten(), minlength=size).view(batch, size_P, 3, -1).double()
    # above[..., t]: pixels beyond threshold t - 1, so all pixels at 0.
    above = counts.flip(3).cumsum(dim=3).flip(3)
    both_BPT, salient_BP1 = above[:, :, 1, 1:], above[:, :, 1, :1]
    either_BPT = above[:, :, 0, 1:] + salient_BP1
    jaccard_BPT = torch.where(either_BPT > 0, both_BPT / either_BPT, 1.0)
    counted_BP1 = above[:, :, :2, 0].sum(dim=2, keepdim=True) > 0
    jaccard_PT = torch.where(counted_BP1, jaccard_BPT, 0.0).sum(dim=0)
    return torch.cat([jaccard_PT, counted_BP1.sum(dim=0).double()], dim=1)


def _edge_sums(logit_BPHW: Tensor, target_BHW: Tensor) -> Tensor:
    """(P, 4) cross entropy summed over positive and over negative pixels, and how many there are of each."""
    positive_BHW = (target_BHW > 0) & (target_BHW != IGNORED_CLASS)
    parts = [
        _sums_and_counts(F.softplus(-logit_BPHW), positive_BHW),
        _sums_and_counts(F.softplus(logit_BPHW), target_BHW == 0),
    ]
    return torch.stack(parts, dim=2).flatten(1)


def _edge_loss(statistics_P4: Tensor, *, positive_weight: float | None) -> Tensor:
    positive_P, negative_P, num_positive_P, num_negative_P = statistics_P4.unbind(dim=1)
    num_P = num_positive_P + num_negative_P
    weight = num_negative_P / num_P if positive_weight is None else positive_weight
    return (weight * positive_P + (1 - weight) * negative_P) / num_P
