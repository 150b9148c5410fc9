"""Task losses, before the factor that brings them to one scale.

Classification: cross entropy. Segmentation: cross entropy over labelled pixels. Normals: L1 between the
predicted vector scaled to length one and the target, over known pixels, per element (the sum over the three
components divided by three; docs/protocol.md) or per pixel (the sum). Depth: L1 over known pixels. Saliency
and edges: binary cross entropy over known pixels, in which positive pixels weigh w and negative ones 1 - w
(S. Xie, Z. Tu, "Holistically-nested edge detection", 2015); w is ``Task.positive_weight`` or, without one,
the share of negative pixels, so that both classes weigh alike.

Means run over the valid pixels of the whole batch, not over images; a batch without any valid pixel costs
exactly zero. So does, with w from the batch, a batch with one class only. A loss over several batches is made
from their added :class:`LossSums`, as if they were one batch: the share of negative pixels, too, is that of
all of them, for instance of a whole split, and not the mean of the shares of its batches.

Letters: B batch, P predictions of each example (one for each preference of a group), C outputs of the task, K
sums that a loss is made from. Predictions are (B, P, C) or (B, P, C, H, W); targets are as
:data:`~dymu.spec.task.TaskKind` says and have no P: they are never copied. Half precision predictions become
single precision ones first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import torch
import torch.nn.functional as F
from torch import Tensor

from dymu.spec.targets import check_target
from dymu.spec.task import IGNORED_CLASS, Task

# Shorter vectors do not become unit vectors. The gradient at a null vector, which a head gives where all its
# features are zero, grows with the reciprocal: torch's 1e-12 would let one such pixel spoil a step.
_SHORTEST = 1e-6


@dataclass(frozen=True)
class LossSums:
    """What losses of several batches are combined from exactly: add them, then :func:`loss_of_sums`.

    Attributes:
        total_KP: Summed errors. K is 1, or 2 (positive and negative pixels) where the balance of the classes
            is known only once everything has been added.
        count_K: Over how many examples or valid pixels each was summed, integers.
    """

    total_KP: Tensor
    count_K: Tensor

    def __add__(self, other: "LossSums") -> "LossSums":
        return LossSums(self.total_KP + other.total_KP, self.count_K + other.count_K)


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

    Args:
        task: Its kind decides the loss; not scaled by its ``loss_weight``.
        prediction_BP: (B, P, ...) as the task's kind says.
        target_B: (B, ...) as the task's kind says.

    Raises:
        DataError: As :func:`task_loss`.
    """
    return loss_of_sums(loss_sums(task, prediction_BP, target_B))


def loss_sums(task: Task, prediction_BP: Tensor, target_B: Tensor) -> LossSums:
    """The sums of a batch or of a part of it.

    Args:
        task: Its kind decides the loss.
        prediction_BP: (B, P, ...) as the task's kind says.
        target_B: (B, ...) as the task's kind says.

    Raises:
        DataError: As :func:`task_loss`.
    """
    check_target(
        task,
        prediction_shape=tuple(prediction_BP.shape),
        target_shape=tuple(target_B.shape),
        target_is_float=target_B.is_floating_point(),
    )
    # A sum over the pixels of a batch leaves the range of float16 and the digits of bfloat16.
    half = prediction_BP.dtype in {torch.float16, torch.bfloat16}
    prediction_BP = prediction_BP.float() if half else prediction_BP
    match task.kind:
        case "classification":
            return _sums(_cross_entropy(prediction_BP, target_B), target_B.new_ones(len(target_B), 1))
        case "segmentation":
            valid_BHW = target_B != IGNORED_CLASS
            # Class 0 stands in for unknown: a gather needs an index that exists.
            known_BHW = target_B.masked_fill(~valid_BHW, 0)
            return _sums(_cross_entropy(prediction_BP, known_BHW) * valid_BHW.unsqueeze(1), valid_BHW)
        case "normals":
            valid_BHW = (target_B != 0).any(dim=1)
            error_BPCHW = _absolute(F.normalize(prediction_BP, dim=2, eps=_SHORTEST), target_B)
            error_BPHW = error_BPCHW.mean(dim=2) if task.per_element else error_BPCHW.sum(dim=2)
            return _sums(error_BPHW * valid_BHW.unsqueeze(1), valid_BHW)
        case "depth":
            valid_BHW = (target_B > 0).all(dim=1)
            error_BPHW = _absolute(prediction_BP, target_B).mean(dim=2)
            return _sums(error_BPHW * valid_BHW.unsqueeze(1), valid_BHW)
        case "saliency" | "edges":
            return _binary_sums(prediction_BP, target_B, positive_weight=task.positive_weight)
        case _:
            assert_never(task.kind)


def loss_of_sums(sums: LossSums) -> Tensor:
    """(P,) losses; zero where nothing was valid."""
    if len(sums.count_K) == 1:
        return sums.total_KP[0] / sums.count_K[0].clamp(min=1)
    positive_P, negative_P = sums.total_KP
    all_pixels = sums.count_K.sum().clamp(min=1)
    share_K = sums.count_K.to(sums.total_KP.dtype) / all_pixels
    return (share_K[1] * positive_P + share_K[0] * negative_P) / all_pixels


def scaled_losses(tasks: Sequence[Task], losses_N: Tensor) -> Tensor:
    """(..., N) losses times the factor w_i of each task (Appendix G)."""
    assert losses_N.shape[-1] == len(tasks), f"{losses_N.shape[-1]} losses for {len(tasks)} tasks"
    return losses_N * losses_N.new_tensor([task.loss_weight for task in tasks])


def _sums(error_BP: Tensor, valid_B: Tensor) -> LossSums:
    """One sum: (B, P) or (B, P, H, W) errors, zero where invalid, and (B, 1) or (B, H, W) valid targets."""
    total_P = error_BP.sum(dim=(0, *range(2, error_BP.ndim)))
    return LossSums(total_P.unsqueeze(0), valid_B.sum().unsqueeze(0))


def _binary_sums(logit_BP1HW: Tensor, target_B1HW: Tensor, *, positive_weight: float | None) -> LossSums:
    logit_BPHW, target_BHW = logit_BP1HW.squeeze(2), target_B1HW.squeeze(1)
    valid_BHW = target_BHW != IGNORED_CLASS
    positive_BHW = (target_BHW > 0) & valid_BHW
    # softplus(-x) is -log(sigmoid(x)), finite for every finite x.
    error_BPHW = F.softplus(torch.where(positive_BHW.unsqueeze(1), -logit_BPHW, logit_BPHW))
    parts = (positive_BHW, valid_BHW & ~positive_BHW)
    if positive_weight is None:
        total_KP = torch.stack([(error_BPHW * part.unsqueeze(1)).sum(dim=(0, 2, 3)) for part in parts])
        return LossSums(total_KP, torch.stack([part.sum() for part in parts]))
    positive_BHW, negative_BHW = (part.to(error_BPHW.dtype) for part in parts)
    weight_BHW = positive_weight * positive_BHW + (1 - positive_weight) * negative_BHW
    return _sums(error_BPHW * weight_BHW.unsqueeze(1), valid_BHW)


def _cross_entropy(logits_BPC: Tensor, classes_B: Tensor) -> Tensor:
    """(B, P, ...) cross entropy; the classes are expanded over P as a view."""
    batch, size_P, _, *image = logits_BPC.shape
    index = classes_B[:, None, None].expand(batch, size_P, 1, *image)
    return -logits_BPC.log_softmax(dim=2).gather(2, index).squeeze(2)


def _absolute(prediction_BPC: Tensor, target_BC: Tensor) -> Tensor:
    """(B, P, C, H, W) absolute error."""
    return (prediction_BPC - target_BC.unsqueeze(1)).abs()
