"""What network a trained controller gives for a preference."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from dymu.artifacts.store import Store
from dymu.data.examples import DataPlace
from dymu.errors import SpecError, StoreError
from dymu.networks.tree import check_preference, paths
from dymu.spec.study import Study
from dymu.stages.context import RunContext
from dymu.stages.evaluate import load_predictor
from dymu.stages.predictors import ControllablePredictor


@dataclass(frozen=True, kw_only=True)
class PredictedNetwork:
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
    parameters: float
    fraction: float
    macs: float

    def form(self) -> dict[str, Any]:
        """As a JSON value."""
        return asdict(self)


def predict_network(
    store: Store, study: Study, seed: int, *, task_preference: Sequence[float], resource_preference: float
) -> PredictedNetwork:
    """The network that a study's trained controller gives for a preference.

    Raises:
        SpecError: If the preference is not one, or the study's method has no controller.
        StoreError: If the study has not been trained at this seed.
    """
    tasks = study.dataset.tasks
    check_preference(task_preference, resource_preference, num_tasks=len(tasks))
    step = study.evaluation_step(seed)
    missing = [below.address for below in step.inputs.values() if not store.has(below.address)]
    if missing:
        raise StoreError(
            f"study {study.name} is not trained at seed {seed}: {missing[0]} is missing. Run it first."
        )
    with TemporaryDirectory() as folder:
        context = RunContext(
            step=step,
            out_dir=Path(folder),
            work_dir=Path(folder),
            input_dirs={role: store.path(below.address) for role, below in step.inputs.items()},
            data=DataPlace(cache_dir=store.data_cache),
        )
        predictor = load_predictor(step, context)
    if not isinstance(predictor, ControllablePredictor):
        raise SpecError(f"study {study.name} has no controller: its method is {type(study.method).__name__}.")
    preference = torch.tensor([list(task_preference)], dtype=torch.float64)
    cost = predictor.cost(preference.numpy(), resource_preference)
    path_of_task = paths(predictor.controller.parents(preference, resource_preference))[0].tolist()
    return PredictedNetwork(
        address=step.address,
        task_preference={task.name: share for task, share in zip(tasks, task_preference, strict=True)},
        resource_preference=resource_preference,
        paths={task.name: path for task, path in zip(tasks, path_of_task, strict=True)},
        parameters=float(cost.parameters_S[0]),
        fraction=float(cost.parameters_S[0]) / predictor.anchor_parameters(),
        macs=float(cost.macs_S[0]),
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
