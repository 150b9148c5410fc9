"""The lock files are complete, hashed, in step with pyproject.toml, and tell nothing about the machine."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")


@cache
def pinned(lock: str) -> Mapping[str, Version]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return {
        canonicalize_name(name): Version(version)
        for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE)
    }


def declared(*extras: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        *project["dependencies"],
        *(line for extra in extras for line in project["optional-dependencies"][extra]),
    ]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize(("lock", "extras"), [("requirements.lock", ()), ("requirements-dev.lock", ("dev",))])
def test_a_lock_pins_all_that_is_declared(lock: str, extras: tuple[str, ...]) -> None:
    for requirement in declared(*extras):
        name = canonicalize_name(requirement.name)
        if name != "torch":
            assert name in pinned(lock), f"run `make lock`: {lock} lacks {name}"
            assert pinned(lock)[name] in requirement.specifier, f"run `make lock`: {lock} has an old {name}"


@pytest.mark.parametrize("lock", LOCKS)
def test_the_build_of_torch_is_left_to_the_machine(lock: str) -> None:
    wrong = [name for name in pinned(lock) if re.match(r"torch$|nvidia|cuda|triton", name)]
    assert not wrong


@pytest.mark.parametrize("lock", LOCKS)
def test_what_torch_needs_is_locked(lock: str) -> None:
    assert {"filelock", "typing-extensions", "setuptools", "sympy", "networkx", "jinja2", "fsspec"} <= set(
        pinned(lock)
    )


def test_both_locks_agree() -> None:
    runtime, dev = (pinned(lock) for lock in LOCKS)
    assert {name: dev.get(name) for name in runtime} == dict(runtime)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    blocks = re.split(r"^(?=[A-Za-z0-9])", (ROOT / lock).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert len(blocks) == len(pinned(lock))
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_no_folder(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host|(?<!\w)/\w", text)
