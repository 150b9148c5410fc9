"""Verbs that have somebody else call ``dymu run`` take its flags, whatever they are, and hand them on."""

import inspect
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Annotated, Any, TypeVar, get_args, get_origin

from dymu.commands.run import run

Command = TypeVar("Command", bound=Callable[..., None])

# Where the work is done is for the verb to say; the rest travels.
_OF_THE_CALLER = frozenset({"target", "backend", "address", "store"})


def flags_of_run() -> dict[str, inspect.Parameter]:
    """The flags of ``dymu run`` that travel, by parameter name."""
    parameters = inspect.signature(run).parameters
    return {name: part for name, part in parameters.items() if name not in _OF_THE_CALLER}


def takes_run_flags(command: Command, *, without: Collection[str] = ()) -> Command:
    """Give a verb the flags of ``dymu run`` in place of its ``**flags``, but for some."""
    signature = inspect.signature(command)
    own = [part for part in signature.parameters.values() if part.kind is not part.VAR_KEYWORD]
    flags = {name: part for name, part in flags_of_run().items() if name not in without}
    merged = [*own, *flags.values()]
    ordered = sorted(merged, key=lambda part: part.default is not part.empty)  # arguments come first
    command.__signature__ = signature.replace(parameters=ordered)  # type: ignore[attr-defined]
    command.__annotations__ = {part.name: part.annotation for part in ordered} | {"return": None}
    return command


def words_of(flags: Mapping[str, Any]) -> list[str]:
    """The values of flags as words of a command line; those that have their default are left out."""
    words: list[str] = []
    for name, parameter in flags_of_run().items():
        value = flags.get(name, parameter.default)
        if value in (None, [], parameter.default):
            continue
        option = _option(parameter)
        if value is True:
            words.append(option)
            continue
        for single in value if isinstance(value, list | tuple) else [value]:
            words += [option, str(single.value if isinstance(single, Enum) else single)]
    return words


def _option(parameter: inspect.Parameter) -> str:
    assert get_origin(parameter.annotation) is Annotated, f"{parameter.name} of `dymu run` has no flag"
    (info,) = get_args(parameter.annotation)[1:]
    named = [name for name in (info.default, *(info.param_decls or ())) if isinstance(name, str)]
    return named[0] if named else "--" + parameter.name.replace("_", "-")
