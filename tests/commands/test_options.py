import inspect
from collections.abc import Callable
from typing import Annotated, get_origin

import pytest
import typer
from rich.text import Text

from dymu import cli
from dymu.commands import options
from dymu.commands.options import BackendName, Device, Style

SHARED = {name: value for name, value in vars(options).items() if get_origin(value) is Annotated}


@pytest.mark.parametrize("name", sorted(SHARED))
def test_every_shared_flag_explains_itself(name: str) -> None:
    (flag,) = SHARED[name].__metadata__
    assert flag.help
    assert flag.help.endswith((".", "]"))


def test_flags_of_one_name_are_one_flag_wherever_they_occur() -> None:
    meant: dict[str, set[str]] = {}
    for command in _commands():
        for parameter in inspect.signature(command).parameters.values():
            if parameter.name in ("store", "tracking_uri", "seed_list", "override"):
                meant.setdefault(parameter.name, set()).add(repr(parameter.annotation))
    assert {name for name, kinds in meant.items() if len(kinds) != 1} == set()


def test_choices_are_what_the_user_types() -> None:
    assert [str(choice) for kind in (BackendName, Device, Style) for choice in kind] == [
        *("ray", "local"),
        *("cpu", "cuda"),
        *("terminal", "markdown", "csv", "latex", "html", "json"),
    ]


def _commands() -> list[Callable[..., object]]:
    groups: list[typer.Typer] = [cli.app]
    for group in groups:
        groups += [below.typer_instance for below in group.registered_groups if below.typer_instance]
    found = (command.callback for group in groups for command in group.registered_commands)
    return [callback for callback in found if callback is not None]


def test_examples_stand_on_lines_of_their_own() -> None:
    told = options.examples("dymu table 6", "dymu run x -o a=[1]", note="Ctrl-C is safe.")
    assert Text.from_markup(told).plain.splitlines() == [
        "Examples:",
        "dymu table 6",
        "dymu run x -o a=[1]",
        "Ctrl-C is safe.",
    ]
    assert options.examples("dymu ui").startswith("Example:\n")
