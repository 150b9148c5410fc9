"""Canonical form and digest of frozen values.

Only what is part of a result's identity has a canonical form. Places (paths, devices, worker counts,
trackers) do not, and are refused with a word on where they belong.
"""

import dataclasses
import hashlib
import importlib
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from dymu.artifacts.config import is_config, is_config_class
from dymu.errors import SpecError

DIGEST_LENGTH = 16  # 64 bits: a store of a million artifacts collides with probability 3e-8.
TYPE_KEY = "type"


def canonical(value: Any) -> Any:
    """A JSON value that is equal for equal inputs, on every machine and in every process.

    Raises:
        SpecError: For a value that has no canonical form.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SpecError(f"{value!r} cannot be part of an address; use None for 'not set'.")
        return value + 0.0  # -0.0 and 0.0 are one address
    if isinstance(value, tuple):
        return [canonical(item) for item in value]
    if isinstance(value, Mapping):
        return dict(_canonical_items(value))
    if is_config(value):
        return {TYPE_KEY: _type_name(type(value)), **dict(_canonical_fields(value))}
    raise SpecError(_no_canonical_form(value))


def digest(value: Any) -> str:
    """Hexadecimal digest of the canonical form; the same in every process."""
    return digest_of_form(canonical(value))


def digest_of_form(form: Any) -> str:
    """Hexadecimal digest of a value that is canonical already, for instance ``Step.form``."""
    text = json.dumps(form, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def rebuild(form: Any) -> Any:
    """The frozen value that a canonical form came from.

    Only config classes are looked up, below ``dymu.`` and in modules that this program has loaded itself,
    such as ``studies.mine``; nothing is executed that the form could name.

    Raises:
        SpecError: If the form names a class that is no such config, or no longer fits it.
    """
    if isinstance(form, list):
        return tuple(rebuild(item) for item in form)
    if not isinstance(form, dict):
        return form
    if TYPE_KEY not in form:
        return {key: rebuild(item) for key, item in form.items()}
    module_name, _, class_name = str(form[TYPE_KEY]).rpartition(".")
    if not module_name.startswith("dymu."):
        cls = _loaded_class(module_name, class_name)
        if cls is None:
            raise SpecError(
                f"{form[TYPE_KEY]!r} is not a class of dymu, nor a config class of a module that is loaded; "
                f"the record cannot be rebuilt. If it is yours, `import {module_name or '...'}` first."
            )
    else:
        cls = _config_class(module_name, class_name)
    if cls is None:
        raise SpecError(f"{form[TYPE_KEY]!r} is not a config class of this version of dymu.")
    return cls(**{key: rebuild(item) for key, item in form.items() if key != TYPE_KEY})


def differences(left: Any, right: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Fields in which two canonical forms differ, as (dotted path, left, right); absent is ``None``.

    Forms without a difference have one digest, so ``1`` and ``1.0`` differ here, as do absent and ``None``.
    """
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted({*left, *right}):
            below = f"{path}.{key}" if path else key
            if key in left and key in right:
                yield from differences(left[key], right[key], below)
            else:
                yield below, left.get(key), right.get(key)
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, (a, b) in enumerate(zip(left, right, strict=True)):
            yield from differences(a, b, f"{path}[{index}]")
    elif type(left) is not type(right) or left != right:
        yield path, left, right


def _canonical_items(value: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if not isinstance(key, str):
            raise SpecError(f"the key {key!r} of a mapping is {type(key).__name__}; write text.")
        if key == TYPE_KEY:
            raise SpecError(f"the key {key!r} of a mapping is reserved for the class of a config; rename it.")
        yield key, canonical(item)


def _canonical_fields(value: Any) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(value):
        assert field.name != TYPE_KEY, f"{type(value).__name__}.{TYPE_KEY} would hide the name of its class"
        item = getattr(value, field.name)
        if "absent_means" in field.metadata and item == field.metadata["absent_means"]:
            continue
        yield field.name, canonical(item)


def _type_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _config_class(module_name: str, class_name: str) -> Any:
    """The config class that is defined under this name, or ``None``; one imported from elsewhere is not."""
    try:
        cls = getattr(importlib.import_module(module_name), class_name, None)
    except ModuleNotFoundError:
        return None
    is_own = isinstance(cls, type) and _type_name(cls) == f"{module_name}.{class_name}"
    return cls if is_own and hasattr(cls, "__pydantic_validator__") else None


def _loaded_class(module_name: str, class_name: str) -> Any:
    """The config class of a module that was imported before, or ``None``."""
    cls: Any = getattr(sys.modules.get(module_name), class_name, None)
    return cls if is_config_class(cls) and _type_name(cls) == f"{module_name}.{class_name}" else None


def _no_canonical_form(value: object) -> str:
    kind = type(value).__name__
    if isinstance(value, PurePath):
        return f"a path ({value}) says where something is, not what it is; it belongs in RunContext."
    if callable(value):
        return f"a callable ({kind}) has no canonical form; use a config class with a method instead."
    if isinstance(value, list | set):
        return f"a {kind} can change; write a tuple."
    return f"{kind} has no canonical form; devices, trackers and worker counts belong in RunContext."
