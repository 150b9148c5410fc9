"""Controllable dynamic multi-task architectures: train, ablate, compare, report."""

import importlib

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """``dymu.load``; torch is imported when it is first asked for. Types are in ``__init__.pyi``."""
    if name == "load":
        return importlib.import_module("dymu.product.loading").load
    raise AttributeError(f"module 'dymu' has no attribute {name!r}")
