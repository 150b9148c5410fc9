import pytest

from dymu.errors import SpecError
from dymu.spec.task import IGNORED_CLASS, Task


def test_task_has_unit_weight_unless_told() -> None:
    assert Task(name="depth", kind="depth", num_outputs=1).loss_weight == 1.0


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("num_outputs", 0, "a positive number"),
        ("loss_weight", 0.0, "a positive number"),
        ("loss_weight", -1.0, "a positive number"),
        ("loss_weight", float("nan"), "a positive number"),
        ("name", "", "non-empty"),
        ("name", "task/left", "without '/'"),
    ],
)
def test_senseless_task_is_refused(field: str, value: object, expected: str) -> None:
    with pytest.raises(SpecError, match=rf"Task\.{field} is {value!r}; expected .*{expected}"):
        Task(**{"name": "a", "kind": "depth", "num_outputs": 1, field: value})  # type: ignore[arg-type]


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(
        SpecError, match=r"Task\.kind is 'edges'.*'classification', 'segmentation', 'normals' or 'depth'"
    ):
        Task(name="a", kind="edges", num_outputs=1)  # type: ignore[arg-type]


def test_ignored_class_fits_into_a_byte() -> None:
    assert 0 <= IGNORED_CLASS < 256
