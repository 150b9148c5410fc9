"""A study: a dataset, a method and an evaluation protocol, as one frozen value."""

import dataclasses
import re
from typing import Any, Protocol, runtime_checkable

from dymu.artifacts.config import changed, check, config, is_config, unknown_field_message
from dymu.artifacts.fingerprint import canonical
from dymu.artifacts.step import Step
from dymu.errors import SpecError
from dymu.spec.dataset import Dataset
from dymu.spec.evaluation import EvaluationConfig

_NAME = re.compile(r"[A-Za-z0-9_-]+")


@runtime_checkable
class Method(Protocol):
    """A frozen config that wires stages together."""

    def evaluation(self, study: "Study", seed: int) -> Step:
        """The final step of this method on a study: the one that publishes the record."""


@config
class Study:
    """What is trained and how it is judged.

    Attributes:
        name: Short name, shown in tables and used as the MLflow experiment.
        dataset: Frozen config of the dataset.
        method: Frozen config of the method.
        evaluation: The protocol that judges it.
    """

    name: str
    dataset: Dataset
    method: Method
    evaluation: EvaluationConfig

    def __post_init__(self) -> None:
        num_tasks = len(self.dataset.tasks)
        given = len(self.evaluation.reference_point)
        if given != num_tasks:
            raise SpecError(
                f"Study {self.name}: evaluation.reference_point has {given} coordinates, but "
                f"{type(self.dataset).__name__} has {num_tasks} tasks; give one coordinate per task."
            )
        names = [task.name for task in self.dataset.tasks]
        if len(set(names)) < num_tasks:
            raise SpecError(
                f"Study {self.name}: task names must differ, but the dataset has {', '.join(names)}."
            )
        unknown = sorted({name for pair in self.evaluation.pairs for name in pair} - set(names))
        if unknown:
            raise SpecError(
                f"Study {self.name}: evaluation.pairs names {', '.join(unknown)}, but "
                f"{type(self.dataset).__name__} has the tasks {', '.join(names)}."
            )
        is_name = _NAME.fullmatch(self.name) is not None
        check(is_name, self, "name", "letters, digits, '-' and '_': files are named after it")

    def evaluation_step(self, seed: int) -> Step:
        """The step whose artifact is the record of this study at one seed."""
        return self.method.evaluation(self, seed)


def override(value: Any, path: str, new: Any) -> Any:
    """A copy of a frozen value with the field at a dotted path replaced.

    Args:
        value: A config, usually a :class:`Study`.
        path: For instance ``method.edge.active_threshold``.
        new: The new value; validated by the config that owns the field.

    Raises:
        SpecError: If a part of the path does not exist, the value has the wrong type, or nothing changes.
    """
    head, dot, rest = path.partition(".")
    if not is_config(value):
        raise SpecError(f"{head!r} cannot be set below {value!r} ({type(value).__name__}): not a config.")
    names = [field.name for field in dataclasses.fields(value)]
    if head not in names:
        raise SpecError(unknown_field_message(type(value), head))
    current = getattr(value, head)
    replacement = override(current, rest, new) if dot else new
    result = changed(value, {head: replacement})
    if canonical(getattr(result, head)) == canonical(current):
        raise SpecError(
            f"{type(value).__name__}.{head} already equals {current!r}: this change would compare a study "
            "with itself."
        )
    return result
