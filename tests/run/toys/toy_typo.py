"""A module with a mistyped field."""

from toy_parts import ToyTraining  # type: ignore[import-not-found]

training = ToyTraining(num_stepps=3)
