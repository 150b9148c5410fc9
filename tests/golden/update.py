"""Compute what the golden files pin, and rewrite them on request.

Tests call the functions and compare; they never write. To accept a difference, say why in CHANGELOG.md
and run

    python tests/golden/update.py addresses cli
"""

import importlib
import json
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import typer.main

from dymu.spec.ablation import Question
from dymu.spec.study import Study

GOLDEN = Path(__file__).parent
ROOT = GOLDEN.parents[1]
SEED = 0


def modules(package: str) -> Iterator[ModuleType]:
    """Every module of ``studies`` or ``ablations`` but helpers, whose names begin with ``_``, in order."""
    found = importlib.import_module(package)
    for info in sorted(pkgutil.iter_modules(found.__path__), key=lambda info: info.name):
        if not info.name.startswith("_"):
            yield importlib.import_module(f"{package}.{info.name}")


def studies() -> dict[str, Study]:
    """Every study that a module of ``studies/`` holds, by the text that names it on the command line."""
    return {
        f"{module.__name__}:{name}": value
        for module in modules("studies")
        for name, value in vars(module).items()
        if isinstance(value, Study)
    }


def questions() -> dict[str, Question]:
    """Every module of ``ablations/`` with its question."""
    return {module.__name__: module.QUESTION for module in modules("ablations")}


def addresses() -> str:
    """Addresses of every study and of every arm of every question, at seed 0."""
    forms = {
        "studies": {name: _by_stage(study) for name, study in studies().items()},
        "ablations": {
            name: {arm.name: arm.study.evaluation_step(SEED).address for arm in question.arms()}
            for name, question in questions().items()
        },
    }
    return _text(forms)


def cli() -> str:
    """Every verb of the command line with its arguments and flags."""
    return _text(dict(_verbs(typer.main.get_command(importlib.import_module("dymu.cli").app), "dymu")))


def _by_stage(study: Study) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for step in study.evaluation_step(SEED).closure():
        found.setdefault(step.stage, []).append(step.address)
    return found


def _verbs(command: Any, name: str) -> Iterator[tuple[str, list[str]]]:
    # click's commands and groups; typer may carry its own copy of click, so nothing is asked of their types.
    parts = (
        " ".join(sorted(part.opts)) if part.param_type_name == "option" else part.name
        for part in command.params
    )
    yield name, sorted(part for part in parts if part != "--help")
    for verb, below in sorted(getattr(command, "commands", {}).items()):
        yield from _verbs(below, f"{name} {verb}")


def _text(form: object) -> str:
    return json.dumps(form, indent=1, sort_keys=True) + "\n"


FILES: Mapping[str, Callable[[], str]] = MappingProxyType({"addresses": addresses, "cli": cli})


def main(names: list[str]) -> None:
    """Rewrite the named golden files."""
    if not names or not set(names) <= set(FILES):
        sys.exit(f"usage: python tests/golden/update.py {' '.join(f'[{name}]' for name in FILES)}")
    for name in names:
        (GOLDEN / f"{name}.json").write_text(FILES[name](), encoding="utf-8")
        print(f"wrote tests/golden/{name}.json")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(sys.argv[1:])
