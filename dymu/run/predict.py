"""What network a trained controller gives for a preference."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dymu.artifacts.store import Store
from dymu.errors import SpecError
from dymu.networks.tree import check_preference
from dymu.run.loading import controller_of_study
from dymu.spec.study import Study


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A predicted architecture and its cost.

    Attributes:
        address: Evaluation step whose controller predicted it.
        task_preference: By task name.
        resource_preference: c.
        paths: By task name, the streams through which its features pass, layer 0 first.
        parameters: Active parameters, heads included.
        fraction: Active parameters as a part of the whole anchor net's.
        macs: Multiply-accumulates of one image.
    """

    address: str
    task_preference: dict[str, float]
    resource_preference: float
    paths: dict[str, list[int]]
    parameters: int
    fraction: float
    macs: int

    def form(self) -> dict[str, Any]:
        """As a JSON value."""
        return asdict(self)


def predict_network(
    store: Store, study: Study, seed: int, *, task_preference: Sequence[float], resource_preference: float
) -> Prediction:
    """The network that a study's trained controller gives for a preference.

    Args:
        store: Where it is.
        study: What was trained.
        seed: Of the trained controller.
        task_preference: One share per task, in the study's order, on the simplex.
        resource_preference: c in [0, 1].

    Raises:
        SpecError: If the preference is not one, or the study's method has no controller.
        StoreError: If the study has not been trained at this seed.
    """
    check_preference(task_preference, resource_preference, num_tasks=len(study.dataset.tasks))
    controller = controller_of_study(store, study, seed)
    architecture = controller.architecture(task_preference, resource_preference)
    cost = controller.cost(task_preference, resource_preference)
    return Prediction(
        address=controller.source,
        task_preference=architecture.task_preference,
        resource_preference=resource_preference,
        paths={task: list(path) for task, path in architecture.paths.items()},
        parameters=cost.parameters,
        fraction=cost.fraction,
        macs=cost.macs,
    )


def parse_preference(text: str) -> list[float]:
    """Numbers separated by commas.

    Raises:
        SpecError: If a part is not a number.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise SpecError(
            f"--preference is {text!r}; expected one number per task, separated by commas, as in 0.2,0.3,0.5."
        ) from None
