import dataclasses
import pickle
from collections.abc import Mapping
from typing import Any, Literal

import pytest

from dymu.artifacts.config import (
    absent_means,
    changed,
    check,
    config,
    field_names,
    is_config,
    is_config_class,
    unknown_field_message,
)
from dymu.errors import SpecError


@config
class Inner:
    rate: float = 0.1


@config
class Outer:
    steps: int
    inner: Inner = Inner()
    mode: Literal["loop", "stacked"] = "loop"
    widths: tuple[int, ...] = (8, 16)
    limit: float | None = None
    flag: bool = False
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    added: int = absent_means(3)

    def __post_init__(self) -> None:
        check(self.steps > 0, self, "steps", "a positive number")


def test_fields_are_given_by_name() -> None:
    value = Outer(steps=10, inner=Inner(rate=0.5), mode="stacked")
    assert (value.steps, value.inner.rate, value.mode, value.added) == (10, 0.5, "stacked", 3)


def test_equal_fields_make_equal_values() -> None:
    assert Outer(steps=1) == Outer(steps=1)
    assert Outer(steps=1) != Outer(steps=2)


def test_fields_cannot_be_set() -> None:
    value = Outer(steps=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.steps = 2  # type: ignore[misc]
    assert value.steps == 1


def test_whole_number_becomes_float_in_a_float_field() -> None:
    value = Inner(rate=1)
    assert value == Inner(rate=1.0)
    assert type(value.rate) is float


@pytest.mark.parametrize(
    ("field", "given", "kind"),
    [
        ("steps", 1.0, "float"),
        ("steps", "1", "str"),
        ("steps", True, "bool"),
        ("inner", {"rate": 0.5}, "dict"),
        ("inner", 3, "int"),
        ("mode", "lop", "str"),
        ("widths", [8, 16], "list"),
        ("widths", (8, 1.5), "float"),
        ("limit", "none", "str"),
        ("flag", 1, "int"),
        ("notes", (), "tuple"),
    ],
)
def test_wrong_type_is_refused_with_field_value_and_type(field: str, given: object, kind: str) -> None:
    with pytest.raises(SpecError) as caught:
        Outer(**{"steps": 1, field: given})  # type: ignore[arg-type]
    assert f"Outer.{field}" in str(caught.value)
    assert f"({kind})" in str(caught.value)


def test_bool_is_no_number() -> None:
    with pytest.raises(SpecError, match=r"Inner\.rate is True \(bool\)"):
        Inner(rate=True)


def test_all_wrong_fields_are_told_at_once() -> None:
    with pytest.raises(SpecError, match=r"Outer\.steps is '1'.*Outer\.flag is 2"):
        Outer(steps="1", flag=2)  # type: ignore[arg-type]


def test_unknown_field_is_refused_with_those_that_exist() -> None:
    with pytest.raises(
        SpecError, match=r"Outer has no field 'stesp' \(did you mean 'steps'\?\); it has steps, inner, mode"
    ):
        Outer(steps=1, stesp=2)  # type: ignore[call-arg]


def test_missing_field_is_named() -> None:
    with pytest.raises(SpecError, match=r"Outer\.steps is missing\."):
        Outer()  # type: ignore[call-arg]


def test_positional_fields_are_refused() -> None:
    with pytest.raises(SpecError, match="Outer takes its fields by name"):
        Outer(1)  # type: ignore[call-arg]


def test_check_names_owner_field_value_and_expectation() -> None:
    with pytest.raises(SpecError, match=r"Outer\.steps is 0; expected a positive number\."):
        Outer(steps=0)


def test_changed_copies_and_validates() -> None:
    value = Outer(steps=1, widths=(4,))
    assert changed(value, {"steps": 2}) == Outer(steps=2, widths=(4,))
    assert value.steps == 1
    with pytest.raises(SpecError, match=r"Outer\.steps is 0"):
        changed(value, {"steps": 0})
    with pytest.raises(SpecError, match="no field 'stesp'"):
        changed(value, {"stesp": 2})


def test_subclass_keeps_fields_and_checks() -> None:
    @config
    class More(Outer):
        extra: float = 0.0

    assert More(steps=1, extra=2).extra == 2.0
    with pytest.raises(SpecError, match=r"More\.steps is 0"):
        More(steps=0)


def test_field_names_are_in_order() -> None:
    assert field_names(Outer) == (
        "steps", "inner", "mode", "widths", "limit", "flag", "notes", "added",
    )  # fmt: skip
    assert (
        unknown_field_message(Inner, "rat") == "Inner has no field 'rat' (did you mean 'rate'?); it has rate."
    )


def test_only_values_of_config_classes_are_configs() -> None:
    @dataclasses.dataclass
    class Plain:
        rate: float = 0.1

    assert is_config(Inner())
    for other in (Plain(), Inner, 1, None, {"rate": 0.1}):
        assert not is_config(other)


def test_config_survives_pickling() -> None:
    value = Outer(steps=1, inner=Inner(rate=2))
    assert pickle.loads(pickle.dumps(value)) == value


def test_a_class_is_known_as_a_config_class_only_if_it_was_made_one() -> None:
    @dataclasses.dataclass
    class Plain:
        rate: float = 0.1

    assert is_config_class(Inner)
    assert not any(is_config_class(value) for value in (Plain, Inner(), None, "Inner", int))
