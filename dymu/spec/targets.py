"""Which target fits a prediction, judged by shapes alone; losses and metrics refuse the same things."""

from collections.abc import Mapping
from typing import TypeVar

from dymu.errors import DataError
from dymu.spec.task import Task

T = TypeVar("T")


def has_class_targets(task: Task) -> bool:
    """Whether the targets of a task are class ids rather than measured numbers."""
    return task.kind in {"classification", "segmentation"}


def target_of(task: Task, targets: Mapping[str, T]) -> T:
    """The target of a task.

    Raises:
        DataError: If there is none; names the task and what there is.
    """
    if task.name not in targets:
        have = ", ".join(sorted(targets)) or "none"
        raise DataError(f"no target for task {task.name!r}; there are targets for: {have}.")
    return targets[task.name]


def check_target(
    task: Task, *, prediction_shape: tuple[int, ...], target_shape: tuple[int, ...], target_is_float: bool
) -> None:
    """Refuse a target that a prediction cannot be compared with.

    Args:
        task: Whose prediction and target these are.
        prediction_shape: (B, P, num_outputs, ...), P predictions of each example.
        target_shape: Shape of the target, which has no P.
        target_is_float: Whether the target holds floating point numbers.

    Raises:
        DataError: If a shape or the kind of numbers does not fit; names the task.
    """
    dense = task.kind != "classification"
    expected_dims = 5 if dense else 3
    channels = prediction_shape[2] if len(prediction_shape) > 2 else None
    if len(prediction_shape) != expected_dims or channels != task.num_outputs:
        form = f"(B, P, {task.num_outputs}, H, W)" if dense else f"(B, P, {task.num_outputs})"
        raise DataError(
            f"the prediction for {task.kind} task {task.name!r} has shape {prediction_shape}; expected "
            f"{form}. Check num_outputs of the task and the head that serves it."
        )
    batch, _, outputs, *image = prediction_shape
    expected = (batch, *image) if has_class_targets(task) else (batch, outputs, *image)
    if target_shape != expected:
        raise DataError(
            f"the target of {task.kind} task {task.name!r} has shape {target_shape}; expected {expected} for "
            f"predictions of shape {prediction_shape}. Check the dataset's targets."
        )
    if target_is_float == has_class_targets(task):
        came, wanted = (
            ("floating point", "integer class ids") if target_is_float else ("integer", "floating point")
        )
        raise DataError(
            f"the target of {task.kind} task {task.name!r} holds {came} numbers; expected {wanted}. "
            "Check the dataset's targets."
        )
