"""What the contracts hold for: found by walking packages, never listed."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from dymu.spec.ablation import Question
from dymu.spec.search import ArmSearch, Search
from dymu.spec.study import Study


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test one case per dataset, method, metric, study, question or search that exists."""
    sources: dict[str, Callable[[], Mapping[str, object]]] = {
        "dataset_class": lambda: config_classes("dymu.data", having="load"),
        "method_class": lambda: config_classes("dymu.methods", having="evaluation"),
        "metric_module": lambda: {module.__name__: module for module in modules("dymu.metrics")},
        "study_entry": studies,
        "question_entry": questions,
        "search_entry": searches,
    }
    for name, find in sources.items():
        if name in metafunc.fixturenames:
            found = find()
            metafunc.parametrize(name, list(found.values()), ids=list(found))


def modules(package: str) -> Iterator[ModuleType]:
    """Every module below a package."""
    for info in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not info.ispkg:
            yield importlib.import_module(info.name)


def config_classes(package: str, *, having: str) -> dict[str, type]:
    """Config classes that a package defines and that have the given method."""
    return {
        f"{module.__name__}.{name}": value
        for module in modules(package)
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and value.__module__ == module.__name__
        and hasattr(value, "__pydantic_validator__")
        and callable(getattr(value, having, None))
    }


def studies() -> dict[str, tuple[str, str, Study]]:
    """Module name, attribute and value of every study."""
    return {
        f"{module.__name__}:{name}": (module.__name__, name, value)
        for module in modules("studies")
        for name, value in vars(module).items()
        if isinstance(value, Study)
    }


def questions() -> dict[str, tuple[str, Question]]:
    """Module name and question of every module of ``ablations/`` whose name does not begin with ``_``."""
    return {
        module.__name__: (module.__name__, module.QUESTION)
        for module in modules("ablations")
        if not module.__name__.rpartition(".")[2].startswith("_")
    }


def searches() -> dict[str, tuple[str, str, Search | ArmSearch]]:
    """Module name, attribute and value of every search."""
    return {
        f"{module.__name__}:{name}": (module.__name__, name, value)
        for module in modules("studies")
        for name, value in vars(module).items()
        if isinstance(value, Search | ArmSearch)
    }


@pytest.fixture(scope="session")
def all_studies() -> dict[str, tuple[str, str, Study]]:
    """Every study that exists."""
    return studies()


@pytest.fixture(scope="session")
def glossary_values(root: Path) -> frozenset[str]:
    """Names of record values, from the table below the heading ``Record values`` of docs/glossary.md."""
    text = (root / "docs" / "glossary.md").read_text(encoding="utf-8")
    _, _, section = text.partition("## Record values")
    table = section.partition("\n## ")[0]
    return frozenset(re.findall(r"^\| `([^`]+)`", table, re.MULTILINE))
