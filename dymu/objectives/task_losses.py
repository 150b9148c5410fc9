"""Task losses, before the factor that brings them to one scale.

Classification: cross entropy. Segmentation: cross entropy over labelled pixels. Normals: L1 between the
predicted vector scaled to length one and the target, over known pixels, per element (the sum over the three
components divided by three; docs/protocol.md). Depth: L1 over known pixels. Means run over the valid pixels
of the whole batch, not over images; a batch without any valid pixel costs exactly zero.

Letters: B batch, P predictions of each example (one for each preference of a group), C outputs of the task.
Predictions are (B, P, C) or (B, P, C, H, W); targets are as :data:`~dymu.spec.task.TaskKind` says and have no
P: they are never copied.
"""

from collections.abc import Sequence
from typing import assert_never

import torch.nn.functional as F
from torch import Tensor

from dymu.spec.targets import check_target
from dymu.spec.task import IGNORED_CLASS, Task


def task_loss(task: Task, prediction: Tensor, target: Tensor) -> Tensor:
    """Loss of one prediction for each example, a scalar.

    Args:
        task: The task.
        prediction: (B, C) or (B, C, H, W), logits or values.
        target: As the task's kind says.

    Raises:
        DataError: If prediction or target do not have the shape that the task asks for.
    """
    return grouped_task_loss(task, prediction.unsqueeze(1), target).squeeze(0)


def grouped_task_loss(task: Task, prediction_BP: Tensor, target_B: Tensor) -> Tensor:
    """(P,) losses of P predictions for each example against one target.

    Raises:
        DataError: As :func:`task_loss`.
    """
    total_P, count = loss_sums(task, prediction_BP, target_B)
    return total_P / count.clamp(min=1)


def loss_sums(task: Task, prediction_BP: Tensor, target_B: Tensor) -> tuple[Tensor, Tensor]:
    """What losses of several batches are combined from exactly: add both, then divide.

    Returns:
        (P,) summed losses, and the number of examples or valid pixels that they are summed over, a scalar.

    Raises:
        DataError: As :func:`task_loss`.
    """
    error_BP, valid_B = _errors(task, prediction_BP, target_B)
    return error_BP.sum(dim=(0, *range(2, error_BP.ndim))), valid_B.sum()


def scaled_losses(tasks: Sequence[Task], losses_N: Tensor) -> Tensor:
    """(..., N) losses times the factor w_i of each task (Appendix G)."""
    assert losses_N.shape[-1] == len(tasks), f"{losses_N.shape[-1]} losses for {len(tasks)} tasks"
    return losses_N * losses_N.new_tensor([task.loss_weight for task in tasks])


def _errors(task: Task, prediction_BP: Tensor, target_B: Tensor) -> tuple[Tensor, Tensor]:
    """(B, P) or (B, P, H, W) errors, zero where invalid; (B, 1) or (B, H, W) whether the target is known."""
    check_target(
        task,
        prediction_shape=tuple(prediction_BP.shape),
        target_shape=tuple(target_B.shape),
        target_is_float=target_B.is_floating_point(),
    )
    match task.kind:
        case "classification":
            valid_B1 = target_B.new_ones(len(target_B), 1)
            return _cross_entropy(prediction_BP, target_B), valid_B1
        case "segmentation":
            valid_BHW = target_B != IGNORED_CLASS
            # Class 0 stands in for unknown: a gather needs an index that exists.
            known_BHW = target_B.masked_fill(~valid_BHW, 0)
            return _cross_entropy(prediction_BP, known_BHW) * valid_BHW.unsqueeze(1), valid_BHW
        case "normals":
            valid_BHW = (target_B != 0).any(dim=1)
            return _absolute(F.normalize(prediction_BP, dim=2), target_B) * valid_BHW.unsqueeze(1), valid_BHW
        case "depth":
            valid_BHW = (target_B > 0).all(dim=1)
            return _absolute(prediction_BP, target_B) * valid_BHW.unsqueeze(1), valid_BHW
        case _:
            assert_never(task.kind)


def _cross_entropy(logits_BPC: Tensor, classes_B: Tensor) -> Tensor:
    """(B, P, ...) cross entropy; the classes are expanded over P as a view."""
    batch, size_P, _, *image = logits_BPC.shape
    index = classes_B[:, None, None].expand(batch, size_P, 1, *image)
    return -logits_BPC.log_softmax(dim=2).gather(2, index).squeeze(2)


def _absolute(prediction_BPC: Tensor, target_BC: Tensor) -> Tensor:
    """(B, P, H, W) absolute error, mean over channels."""
    return (prediction_BPC - target_BC.unsqueeze(1)).abs().mean(dim=2)
