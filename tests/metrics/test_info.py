"""What every metric declares, found by walking the package."""

import importlib
import math
import pkgutil

import pytest

import dymu.metrics
from dymu.metrics.info import MetricInfo

MODULES = [name for _, name, _ in pkgutil.iter_modules(dymu.metrics.__path__) if name != "info"]


def declared(module_name: str) -> list[MetricInfo]:
    module = importlib.import_module(f"dymu.metrics.{module_name}")
    return [value for value in vars(module).values() if isinstance(value, MetricInfo)]


ALL = [info for module_name in MODULES for info in declared(module_name)]


def test_names_are_unique() -> None:
    names = [info.name for info in ALL]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("info", ALL, ids=lambda info: info.name)
def test_a_value_carries_the_meaning_of_its_metric(info: MetricInfo) -> None:
    number = info.lower if info.lower is not None else -2.5
    value = info.value(number)
    assert value.value == number
    assert (value.higher_is_better, value.unit) == (info.higher_is_better, info.unit)
    assert (value.lower, value.upper) == (info.lower, info.upper)


@pytest.mark.parametrize("number", [-0.1, 1.1, math.nan, math.inf])
def test_a_value_outside_its_range_is_a_mistake(number: float) -> None:
    with pytest.raises(AssertionError, match="accuracy is"):
        MetricInfo(name="accuracy", higher_is_better=True, lower=0.0, upper=1.0).value(number)


def test_rounding_is_no_mistake() -> None:
    info = MetricInfo(name="uniformity", higher_is_better=True, upper=1.0)
    assert info.value(1 + 1e-12).value == 1 + 1e-12
