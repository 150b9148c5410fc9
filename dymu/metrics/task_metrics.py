"""What tasks are judged by, beside their losses.

Each kind of task has one metric, computed from statistics that are added over batches, so that the result
does not depend on how the split was cut: ``task_metric(task, sum of task_statistics over batches)``.

Classification: accuracy. Segmentation: intersection over union, mean over the classes that occur in targets
or predictions. Normals: mean angle between predicted and target vector over known pixels. Depth: root of the
mean squared error over known pixels. Letters and shapes as in :mod:`dymu.objectives.task_losses`: predictions
are (B, P, C, ...), targets have no P.
"""

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
        case _:
            assert_never(kind)


def task_statistics(task: Task, prediction_BP: Tensor, target_B: Tensor) -> Tensor:
    """What the metric of a task is made from; add the statistics of all batches.

    Args:
        task: The task.
        prediction_BP: (B, P, C) or (B, P, C, H, W), logits or values.
        target_B: As the task's kind says.

    Returns:
        float64: (P, C, C) confusion counts [prediction set, target, predicted class] for segmentation, and
        (P, 2) sums and counts for the other kinds.

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
        case _:
            assert_never(task.kind)


def task_metric(task: Task, statistics: Tensor) -> Tensor:
    """(P,) float64 metric of a task from its added statistics.

    Raises:
        DataError: If the statistics hold no labelled example or pixel; names the task.
    """
    count_P = statistics.sum(dim=(1, 2)) if task.kind == "segmentation" else statistics[:, 1]
    if bool((count_P == 0).any()):
        unit = "example" if task.kind == "classification" else "pixel"
        raise DataError(
            f"task {task.name!r} has no labelled {unit} in the evaluated split, so its "
            f"{metric_of(task.kind).name} is undefined; use a larger split or other targets."
        )
    if task.kind == "segmentation":
        return _mean_iou(statistics)
    mean_P = statistics[:, 0] / count_P
    return mean_P.sqrt() if task.kind == "depth" else mean_P


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
