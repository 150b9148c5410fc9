"""Source files as syntax trees, for tests about how dymu is written."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def trees() -> Mapping[str, ast.Module]:
    """Every module of dymu, studies and ablations: path from the root to syntax tree."""
    return MappingProxyType(dict(_parse("dymu", "studies", "ablations")))


def _parse(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            yield name, ast.parse(path.read_text(encoding="utf-8"), filename=name)
