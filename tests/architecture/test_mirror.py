"""Every module has a test file of its name in the mirrored folder, and no test file has lost its module."""

import ast
from collections.abc import Mapping
from pathlib import Path

# Modules whose tests are owed. The list may only become shorter.
DEBT: frozenset[str] = frozenset()

# Test folders that are about the repository, not about one module.
ACROSS = frozenset({"architecture", "contracts", "golden", "cluster", "browser"})


def modules(root: Path) -> set[str]:
    return {
        path.relative_to(root / "dymu").as_posix()
        for path in (root / "dymu").rglob("*.py")
        if path.name != "__init__.py"
    }


def mirror(module: str) -> str:
    folder, _, name = module.rpartition("/")
    return f"{folder}/test_{name}" if folder else f"test_{name}"


def test_every_module_has_a_test_file(root: Path) -> None:
    missing = {name for name in modules(root) if not (root / "tests" / mirror(name)).exists()}
    assert missing == DEBT, "write " + ", ".join(f"tests/{mirror(name)}" for name in sorted(missing ^ DEBT))


def test_every_test_file_mirrors_a_module(root: Path) -> None:
    expected = {mirror(name) for name in modules(root)}
    orphans = [
        name
        for path in (root / "tests").rglob("test_*.py")
        if (name := path.relative_to(root / "tests").as_posix()).split("/")[0] not in ACROSS
        and name not in expected
    ]
    assert not orphans, f"no module of dymu is called like {', '.join(sorted(orphans))}"


def test_every_test_file_holds_a_test(root: Path) -> None:
    empty = [
        path.relative_to(root).as_posix()
        for path in (root / "tests").rglob("test_*.py")
        if "def test_" not in path.read_text(encoding="utf-8")
    ]
    assert not empty


def test_package_files_hold_a_docstring_only(trees: Mapping[str, ast.Module]) -> None:
    for name, tree in trees.items():
        if name.endswith("__init__.py"):
            assert ast.get_docstring(tree), f"{name} says in one line what the package is for"
            rest = [ast.unparse(node).partition(" =")[0].partition("(")[0] for node in tree.body[1:]]
            # `dymu.load` without torch at `import dymu`
            lazy = ["import importlib", "__version__", "def __getattr__"]
            allowed = lazy if name == "dymu/__init__.py" else []
            assert rest == allowed, f"{name} may hold a docstring and nothing else"
