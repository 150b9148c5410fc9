"""Controllable dynamic multi-task architectures: train, ablate, compare, report."""

__version__ = "0.1.0"
