"""docs/protocol.md states every open point of the paper once, and its defaults are those of the code."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import dymu

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
NUM_OPEN_POINTS = 63


def rows() -> Iterator[tuple[int, str]]:
    """Number and last column of the table of open points."""
    for line in TEXT.splitlines():
        if re.match(r"\| \d+ \|", line):
            number, *_, where = (cell.strip() for cell in line.strip("|").split("|"))
            yield int(number), where


def settings() -> list[str]:
    """Every ``Class.field=value`` of the page."""
    return sorted(set(re.findall(r"`([A-Z]\w+\.\w+=[^`]+)`", TEXT)))


@cache
def config_classes() -> dict[str, type]:
    modules = [
        importlib.import_module(info.name)
        for info in pkgutil.walk_packages(dymu.__path__, "dymu.")
        if not info.name.startswith(("dymu.cli", "dymu.run.", "dymu.reports.", "dymu.tracking."))
    ]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and hasattr(value, "__pydantic_validator__")
    }


def test_every_open_point_is_stated_once_and_in_order() -> None:
    assert [number for number, _ in rows()] == list(range(1, NUM_OPEN_POINTS + 1))


@pytest.mark.parametrize(("number", "where"), list(rows()))
def test_a_point_is_a_field_or_says_where_it_is_fixed(number: int, where: str) -> None:
    places = re.findall(r"fixed: `([^`]+)`", where)
    assert places or re.search(r"`[A-Z]\w+\.\w+=", where), f"no. {number} says neither"
    for place in places:
        assert (ROOT / place).exists(), f"no. {number}: there is no {place}"


@pytest.mark.parametrize("setting", settings())
def test_a_default_is_that_of_the_code(setting: str) -> None:
    path, _, text = setting.partition("=")
    owner, _, name = path.partition(".")
    assert owner in config_classes(), f"there is no config class {owner}"
    known: dict[str, Field[Any]] = {field.name: field for field in fields(config_classes()[owner])}
    assert name in known, f"{owner} has no field {name}"
    assert known[name].default is not MISSING, f"{path} has no default"
    assert known[name].default == ast.literal_eval(text)


def test_numbers_in_docstrings_exist() -> None:
    for path in (ROOT / "dymu").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        for text in re.findall(r"protocol\.md,\s+nos?\.\s+([\d, and]+)", source):
            numbers = [int(number) for number in re.findall(r"\d+", text)]
            assert all(1 <= number <= NUM_OPEN_POINTS for number in numbers), f"{path}: no. {text}"
