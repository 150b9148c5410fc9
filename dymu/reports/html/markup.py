"""HTML from values: whatever is not marked as markup is text, and is escaped."""

import html
import json
from typing import Any

_VOID = frozenset({"br", "hr", "input", "link", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | int | None
"""Text, markup, or nothing."""


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """An element.

    Args:
        name: Of the element.
        children: Its content; text is escaped, :class:`Markup` is not.
        attributes: ``class_`` is ``class``, and other underscores are hyphens. ``None`` and ``False``
            leave an attribute out, ``True`` gives it no value.
    """
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        assert not children, f"<{name}> has no content"
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Pieces one after another."""
    return Markup("".join(escaped(child) for child in children))


def escaped(child: Child) -> str:
    """A piece as HTML."""
    if child is None:
        return ""
    return child if isinstance(child, Markup) else html.escape(str(child), quote=True)


def embedded_json(form: Any, *, identity: str) -> Markup:
    """A JSON value for scripts to read; whatever text it holds, it ends where it should."""
    text = json.dumps(form, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return tag("script", Markup(text), id=identity, type="application/json")


def _attribute(key: str, value: str | int | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value), quote=True)}"'
