"""Frozen, keyword-only, type-checked dataclasses: the values that have an identity.

A config class is declared with ``@config``. Unknown fields, missing fields and wrong types are refused
with a :class:`~dymu.errors.SpecError` that names the field; ``1`` in a ``float`` field becomes ``1.0``, so
both are one address. Nothing else is converted.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, cast, dataclass_transform

import pydantic

from dymu.errors import SpecError, did_you_mean

T = TypeVar("T")

_STRICT = pydantic.ConfigDict(strict=True, arbitrary_types_allowed=True, extra="forbid")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def config(cls: type[T]) -> type[T]:
    """Turn a class into a frozen config; validation that one object can do goes to ``__post_init__``.

    Its objects are made by field names, raise :class:`SpecError` for what does not fit, and are part of
    addresses: two that are equal lead to one address.
    """
    built: Any = pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=_STRICT)(cls)
    validated_init = built.__init__

    def __init__(self: object, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        if args:
            raise SpecError(f"{cls.__name__} takes its fields by name, not by position.")
        unknown = [name for name in kwargs if name not in field_names(built)]
        if unknown:
            raise SpecError(unknown_field_message(built, unknown[0]))
        try:
            validated_init(self, **kwargs)
        except pydantic.ValidationError as error:
            raise SpecError(_explain(cls.__name__, error)) from None

    built.__init__ = __init__
    return cast(type[T], built)


def is_config(value: object) -> bool:
    """Whether ``value`` is an instance of a config class."""
    return dataclasses.is_dataclass(value) and hasattr(type(value), "__pydantic_validator__")


def is_config_class(value: object) -> bool:
    """Whether ``value`` is a class that ``@config`` made."""
    made_by = getattr(getattr(value, "__init__", None), "__module__", None)
    return isinstance(value, type) and dataclasses.is_dataclass(value) and made_by == __name__


def field_names(cls: type) -> tuple[str, ...]:
    """Names of the fields of a config class, in order of declaration."""
    return tuple(field.name for field in dataclasses.fields(cls) if field.init)


def unknown_field_message(cls: type, name: str) -> str:
    """What to tell a user who mistyped a field."""
    fields = field_names(cls)
    return f"{cls.__name__} has no field {name!r}{did_you_mean(name, fields)}; it has {', '.join(fields)}."


def absent_means(default: Any) -> Any:
    """Declare a field that was added after results existed.

    A config whose field equals ``default`` keeps the address that it had before the field existed.
    """
    return dataclasses.field(default=default, metadata={"absent_means": default})


def check(condition: bool, owner: object, field: str, expected: str) -> None:
    """Refuse a field value from ``__post_init__``.

    Args:
        condition: What must hold.
        owner: The config.
        field: Name of the field.
        expected: What would be right, in words.

    Raises:
        SpecError: If ``condition`` is false; names the owner, field, value and what was expected.
    """
    if not condition:
        value = getattr(owner, field)
        raise SpecError(f"{type(owner).__name__}.{field} is {value!r}; expected {expected}.")


def changed(value: T, changes: Mapping[str, Any]) -> T:
    """A copy of a config with some fields replaced, validated like any other.

    Raises:
        SpecError: If there is no such field or a value does not fit.
    """
    return dataclasses.replace(value, **changes)  # type: ignore[type-var]


def _explain(name: str, error: pydantic.ValidationError) -> str:
    parts = []
    for detail in error.errors(include_url=False):
        where = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "missing" or detail["type"] == "missing_keyword_only_argument":
            parts.append(f"{name}.{where} is missing")
        else:
            came = detail["input"]
            parts.append(f"{name}.{where} is {came!r} ({type(came).__name__}): {detail['msg']}")
    return "; ".join(parts) + "."
