"""Every method: a frozen config that wires stages, ends in one evaluation and knows no other method."""

import dataclasses
import inspect
from typing import Any

from dymu.spec.study import Method


def test_it_is_a_method(method_class: type) -> None:
    assert set(inspect.signature(method_class.evaluation).parameters) == {"self", "study", "seed"}  # type: ignore[attr-defined]
    assert hasattr(Method, "evaluation")


def test_it_says_what_it_is(method_class: type) -> None:
    assert inspect.getdoc(method_class)
    has_settings = bool(dataclasses.fields(method_class))
    assert ("Attributes:" in (inspect.getdoc(method_class) or "")) == has_settings


def test_a_study_uses_it(method_class: type, all_studies: dict[str, Any]) -> None:
    users = [name for name, (_, _, study) in all_studies.items() if isinstance(study.method, method_class)]
    assert users, f"no study in studies/ uses {method_class.__name__}: nothing would show that it works"
