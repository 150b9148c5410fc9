import pytest

from dymu.errors import DataError
from dymu.spec.targets import check_target, has_class_targets, target_of
from dymu.spec.task import Task, TaskKind

DIGIT = Task(name="left", kind="classification", num_outputs=10)
ROOM = Task(name="room", kind="segmentation", num_outputs=6)
NORMALS = Task(name="normals", kind="normals", num_outputs=3)
DEPTH = Task(name="depth", kind="depth", num_outputs=1)
SALIENCY = Task(name="saliency", kind="saliency", num_outputs=1)
EDGES = Task(name="edges", kind="edges", num_outputs=1, positive_weight=0.95)

GOOD = [
    (DIGIT, (4, 2, 10), (4,)),
    (ROOM, (4, 2, 6, 8, 9), (4, 8, 9)),
    (NORMALS, (4, 2, 3, 8, 9), (4, 3, 8, 9)),
    (DEPTH, (4, 2, 1, 8, 9), (4, 1, 8, 9)),
    (SALIENCY, (4, 2, 1, 8, 9), (4, 1, 8, 9)),
    (EDGES, (4, 2, 1, 8, 9), (4, 1, 8, 9)),
]


@pytest.mark.parametrize(("task", "prediction", "target"), GOOD)
def test_what_the_kinds_describe_is_accepted(
    task: Task, prediction: tuple[int, ...], target: tuple[int, ...]
) -> None:
    check_target(
        task,
        prediction_shape=prediction,
        target_shape=target,
        target_is_float=not has_class_targets(task),
    )


@pytest.mark.parametrize(("task", "prediction", "target"), GOOD)
def test_a_target_of_another_shape_is_refused_by_name(
    task: Task, prediction: tuple[int, ...], target: tuple[int, ...]
) -> None:
    for wrong in ((*target, 1), (target[0] + 1, *target[1:]), target[:-1]):
        with pytest.raises(DataError, match=f"'{task.name}' has shape"):
            check_target(
                task,
                prediction_shape=prediction,
                target_shape=wrong,
                target_is_float=not has_class_targets(task),
            )


@pytest.mark.parametrize(("task", "prediction", "target"), GOOD)
def test_a_prediction_without_groups_or_with_other_outputs_is_refused(
    task: Task, prediction: tuple[int, ...], target: tuple[int, ...]
) -> None:
    without_groups = (prediction[0], *prediction[2:])
    more_outputs = (*prediction[:2], prediction[2] + 1, *prediction[3:])
    for wrong in (without_groups, more_outputs):
        with pytest.raises(DataError, match=f"task '{task.name}'.*expected"):
            check_target(
                task,
                prediction_shape=wrong,
                target_shape=target,
                target_is_float=not has_class_targets(task),
            )


@pytest.mark.parametrize(("task", "prediction", "target"), GOOD)
def test_the_wrong_kind_of_numbers_is_refused(
    task: Task, prediction: tuple[int, ...], target: tuple[int, ...]
) -> None:
    with pytest.raises(DataError, match=f"'{task.name}' holds"):
        check_target(
            task, prediction_shape=prediction, target_shape=target, target_is_float=has_class_targets(task)
        )


@pytest.mark.parametrize(
    ("kind", "classes"),
    [
        ("classification", True),
        ("segmentation", True),
        ("normals", False),
        ("depth", False),
        ("saliency", False),
        ("edges", False),
    ],
)
def test_which_kinds_have_classes(kind: TaskKind, classes: bool) -> None:
    assert has_class_targets(Task(name="t", kind=kind, num_outputs=1)) is classes


def test_a_missing_target_is_named_beside_what_there_is() -> None:
    assert target_of(DIGIT, {"left": 7}) == 7
    with pytest.raises(DataError, match="no target for task 'left'; there are targets for: depth, right"):
        target_of(DIGIT, {"right": 1, "depth": 2})
    with pytest.raises(DataError, match="targets for: none"):
        target_of(DIGIT, {})
