"""Every metric says what its number means: direction, unit, range."""

import re
from pathlib import Path
from types import ModuleType

from dymu.metrics.info import MetricInfo


def infos(module: ModuleType) -> dict[str, MetricInfo]:
    return {name: value for name, value in vars(module).items() if isinstance(value, MetricInfo)}


def test_a_metric_module_declares_a_metric(metric_module: ModuleType) -> None:
    if metric_module.__name__ != MetricInfo.__module__:
        assert infos(metric_module), "declare a MetricInfo beside the function"


def test_a_metric_is_named_like_its_constant(metric_module: ModuleType) -> None:
    for constant, info in infos(metric_module).items():
        assert info.name == constant.lower()


def test_a_range_is_a_range(metric_module: ModuleType) -> None:
    for info in infos(metric_module).values():
        if info.lower is not None and info.upper is not None:
            assert info.lower < info.upper


def test_a_metric_is_in_the_glossary(metric_module: ModuleType, root: Path) -> None:
    glossary = (root / "docs" / "glossary.md").read_text(encoding="utf-8")
    for info in infos(metric_module).values():
        assert re.search(rf"[`/]{info.name}[`/]", glossary), f"docs/glossary.md does not explain {info.name}"
