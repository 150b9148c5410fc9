"""Forms as YAML, for people; every text is quoted, so that none is taken for a number."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def to_yaml(form: Mapping[str, Any]) -> str:
    """A form of mappings, lists, texts, numbers and truth values as a YAML document."""
    return "\n".join(_lines(form, "")) + "\n"


def _lines(form: Any, indent: str) -> Iterator[str]:
    if isinstance(form, Mapping):
        for key, value in form.items():
            yield from _entry(f"{indent}{key}:", value, indent + "  ")
    else:
        for value in form:
            first, *rest = _lines(value, indent + "  ") if _nested(value) else [f"{indent}  {_scalar(value)}"]
            yield f"{indent}- {first[len(indent) + 2 :]}"
            yield from rest


def _entry(key: str, value: Any, indent: str) -> Iterator[str]:
    if _nested(value):
        yield key
        yield from _lines(value, indent)
    elif isinstance(value, str) and "\n" in value:
        yield f"{key} |"
        yield from (f"{indent}{line}" for line in value.rstrip("\n").split("\n"))
    else:
        yield f"{key} {_scalar(value)}"


def _nested(value: Any) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str) and len(value) > 0


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
