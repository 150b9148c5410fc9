"""Fixtures for tests about the repository as a whole."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def golden(root: Path) -> Path:
    """The folder of golden files."""
    return root / "tests" / "golden"


@pytest.fixture(scope="session")
def update(golden: Path) -> ModuleType:
    """``tests/golden/update.py``: discovery, and what the golden files should hold."""
    spec = importlib.util.spec_from_file_location("golden_update", golden / "update.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
