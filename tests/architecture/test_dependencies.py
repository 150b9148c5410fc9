"""What is imported is declared, and what is declared is imported."""

import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = frozenset({"dymu", "studies", "ablations", "benchmarks", "tests"})


def imported(tree: ast.Module) -> Iterator[str]:
    """Top-level names of the packages that a module imports or, by name, looks up."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module)):
                yield module.partition(".")[0]
            case ast.Call(func=ast.Name(id="find_spec"), args=[ast.Constant(value=str(module))]):
                yield module.partition(".")[0]


def declared(root: Path, *extras: str) -> set[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"]]
    lines += [line for extra in extras for line in project["optional-dependencies"][extra]]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def used(trees: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """Imported packages with the distributions that install them; mlflow has three."""
    packages = (
        {name for tree in trees.values() for name in imported(tree)} - OURS - set(sys.stdlib_module_names)
    )
    owners = packages_distributions()
    return {package: {canonicalize_name(owner) for owner in owners.get(package, ())} for package in packages}


def test_what_is_imported_is_declared(root: Path, trees: Mapping[str, ast.Module]) -> None:
    missing = {package for package, owners in used(trees).items() if not owners & declared(root)}
    assert not missing, "add it to pyproject.toml with a bound and a reason, then `make lock`"


def test_what_is_declared_is_imported(root: Path, trees: Mapping[str, ast.Module]) -> None:
    idle = declared(root) - {owner for owners in used(trees).values() for owner in owners}
    assert not idle, "remove it from pyproject.toml, then `make lock`"


def test_what_tests_and_benchmarks_import_is_declared(root: Path) -> None:
    trees = {
        path.as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for folder in ("tests", "benchmarks")
        for path in (root / folder).rglob("*.py")
    }
    # A package that nobody installed is a helper beside a test, or is meant to be missing.
    missing = {
        package for package, owners in used(trees).items() if owners and not owners & declared(root, "dev")
    }
    assert not missing, "add it to the extra dev of pyproject.toml, then `make lock`"
