from typing import Any

import pytest

from dymu.artifacts.fingerprint import canonical
from dymu.errors import SpecError
from dymu.spec.task import BINARY_KINDS, IGNORED_CLASS, Task


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
    with pytest.raises(SpecError, match=r"Task\.kind is 'edge'.*'normals', 'depth', 'saliency' or 'edges'"):
        Task(name="a", kind="edge", num_outputs=1)  # type: ignore[arg-type]


def test_ignored_class_fits_into_a_byte() -> None:
    assert 0 <= IGNORED_CLASS < 256


@pytest.mark.parametrize("kind", sorted(BINARY_KINDS))
def test_a_binary_task_has_one_logit_and_balances_itself_unless_told(kind: Any) -> None:
    assert Task(name="a", kind=kind, num_outputs=1).positive_weight is None
    assert Task(name="a", kind=kind, num_outputs=1, positive_weight=0.95).positive_weight == 0.95
    with pytest.raises(SpecError, match=rf"Task\.num_outputs is 2; expected 1, the logit of {kind}"):
        Task(name="a", kind=kind, num_outputs=2)


@pytest.mark.parametrize("weight", [0.0, 1.0, -0.5, float("nan")])
def test_a_positive_weight_is_a_share(weight: float) -> None:
    with pytest.raises(SpecError, match=r"Task\.positive_weight is .*; expected a number between 0 and 1"):
        Task(name="edges", kind="edges", num_outputs=1, positive_weight=weight)


@pytest.mark.parametrize(
    ("kind", "field", "value"), [("depth", "positive_weight", 0.5), ("depth", "per_element", False)]
)
def test_a_field_of_another_kind_is_refused(kind: Any, field: str, value: Any) -> None:
    with pytest.raises(SpecError, match=rf"Task\.{field} is {value!r}; expected .*{kind}"):
        Task(name="a", kind=kind, num_outputs=1, **{field: value})


def test_a_task_that_uses_no_later_field_keeps_its_identity() -> None:
    assert set(canonical(Task(name="normals", kind="normals", num_outputs=3))) == {
        "type",
        "name",
        "kind",
        "num_outputs",
        "loss_weight",
    }
    per_pixel = Task(name="normals", kind="normals", num_outputs=3, per_element=False)
    assert canonical(per_pixel)["per_element"] is False
