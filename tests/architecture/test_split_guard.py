"""The test split has one reader: dymu/stages/evaluate.py. Data sets make it, nobody else names it."""

import ast
from collections.abc import Iterator, Mapping

import pytest

READER = "dymu/stages/evaluate.py"
MAKERS = "dymu/data/"


def namings(tree: ast.AST) -> Iterator[int]:
    """Lines that name the test split: by attribute, subscript, value or a loop over all splits."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="TEST", lineno=line):
                yield line
            case ast.Constant(value="test" | "TEST", lineno=line):
                yield line
            case ast.For(iter=ast.Name(id="Split", lineno=line)):
                yield line
            case ast.comprehension(iter=ast.Name(id="Split", lineno=line)):
                yield line
            case ast.Call(args=[ast.Name(id="Split", lineno=line), *_]):
                yield line


@pytest.mark.parametrize(
    "source",
    [
        "dataset.load(Split.TEST, place)",
        "dataset.load(splits.Split.TEST, place)",
        "Split('test')",
        "Split['TEST']",
        "[load(split) for split in Split]",
        "for split in Split: load(split)",
        "list(Split)",
    ],
)
def test_the_guard_sees(source: str) -> None:
    assert list(namings(ast.parse(source)))


@pytest.mark.parametrize(
    "source", ["Split.VAL", "Split('val')", "test = 1", "test_loss.mean()", "'test loss'"]
)
def test_the_guard_lets_pass(source: str) -> None:
    assert not list(namings(ast.parse(source)))


def test_only_evaluation_reads_the_test_split(trees: Mapping[str, ast.Module]) -> None:
    found = [
        f"{name}:{line}"
        for name, tree in trees.items()
        if name != READER and not name.startswith(MAKERS)
        for line in namings(tree)
    ]
    assert not found, "select on Split.VAL; only dymu/stages/evaluate.py may read the test split"


def test_evaluation_does_read_it(trees: Mapping[str, ast.Module]) -> None:
    assert list(namings(trees[READER]))
