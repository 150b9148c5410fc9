"""Classes of a user's own that a published configuration names, such as a dataset of ``studies/``.

They are looked for below one folder, the working directory, where commands find studies too. Nothing else is
imported because a store names it: a class that lies elsewhere is there once its module is loaded.
"""

import importlib
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from dymu.artifacts.fingerprint import TYPE_KEY
from dymu.errors import SpecError


def import_own_classes(form: Any, what: str, *, folder: Path) -> None:
    """Import the modules of classes that are not dymu's, unless they are loaded already.

    Args:
        form: Canonical form of a configuration.
        what: That it belongs to; for messages.
        folder: Where modules are found.

    Raises:
        SpecError: If a module is not there or importing it fails.
    """
    for name in own_class_names(form):
        module_name = name.rpartition(".")[0]
        if not module_name or module_name in sys.modules:
            continue
        if PathFinder.find_spec(module_name.partition(".")[0], [str(folder)]) is None:
            raise _absent(what, name, folder)
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        try:
            importlib.import_module(module_name)
        except Exception as error:
            absent = error.name if isinstance(error, ModuleNotFoundError) else None
            if absent is not None and (module_name == absent or module_name.startswith(absent + ".")):
                raise _absent(what, name, folder) from None
            raise SpecError(
                f"{what} needs {name}, but importing {module_name} failed: {type(error).__name__}: {error}"
            ) from error


def own_class_names(form: Any) -> list[str]:
    """Full names of the classes in a canonical form that are not dymu's."""
    return sorted({name for name in _class_names(form) if not name.startswith("dymu.")})


def _class_names(form: Any) -> Iterator[str]:
    if isinstance(form, dict):
        if TYPE_KEY in form:
            yield str(form[TYPE_KEY])
        for item in form.values():
            yield from _class_names(item)
    elif isinstance(form, list):
        for item in form:
            yield from _class_names(item)


def _absent(what: str, name: str, folder: Path) -> SpecError:
    module_name = name.rpartition(".")[0]
    return SpecError(
        f"{what} needs {name}, which is not a class of dymu, and there is no module {module_name} below "
        f"{folder}. Change to the folder that it is in, or `import {module_name}` first."
    )
