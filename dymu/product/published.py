"""Steps as the store has them: rebuilt from ``step.json``, without the study that made them."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from dymu.artifacts.fingerprint import rebuild
from dymu.artifacts.step import Step
from dymu.artifacts.store import STEP, Store
from dymu.data.examples import DataPlace
from dymu.errors import SpecError
from dymu.networks.controller import Controller
from dymu.product.own_classes import import_own_classes
from dymu.spec.evaluation import Statistics
from dymu.stages import anchor, edge, evaluate, weight
from dymu.stages.context import RunContext

_EXPECTED = "the evaluation of a controllable method, or a step of stage weight or edge"


def published_step(store: Store, address: str) -> Step:
    """The step that an artifact came from, with its inputs; to be read, not to be run.

    Raises:
        StoreError: If the store lacks it or one of its inputs.
        SpecError: If its configuration is not one of this version of dymu, or of a class that is neither
            dymu's nor found from the working directory.
    """
    form = json.loads(store.read(address, STEP))
    import_own_classes(form["config"], address, folder=Path.cwd())
    step = Step(
        stage=form["stage"],
        revision=form["revision"],
        config=rebuild(form["config"]),
        inputs={role: published_step(store, below) for role, below in form["inputs"].items()},
        run=_run_before,
        seed=form["seed"],
    )
    if step.address != address:
        raise SpecError(
            f"{address} cannot be rebuilt: with this version of dymu its configuration has the address "
            f"{step.address}. Install the dymu that made it (see its provenance.json)."
        )
    return step


def controller_steps(step: Step) -> dict[str, Step]:
    """Steps of anchor, edge and, if there is one, weight that a step's controller is made of, by role.

    Raises:
        SpecError: If the step has no controller.
    """
    match step.stage:
        case evaluate.STAGE if step.config.method == "controllable":
            return dict(step.inputs)
        case weight.STAGE:
            return {"anchor": step.inputs["anchor"], "edge": step.inputs["edge"], "weight": step}
        case edge.STAGE:
            return {"anchor": step.inputs["anchor"], "edge": step}
    method = f" of method {step.config.method}" if step.stage == evaluate.STAGE else ""
    raise SpecError(f"{step.address}{method} has no controller; expected {_EXPECTED}.")


def read_controller(store: Store, step: Step, *, device: str = "cpu") -> Controller:
    """The trained controller of a step whose inputs are published.

    Raises:
        SpecError: If the step has no controller.
        StoreError: If the store lacks a part of it.
    """
    steps = controller_steps(step)
    folders: Mapping[str, Path] = {role: store.path(part.address) for role, part in steps.items()}
    with TemporaryDirectory() as nothing:
        context = RunContext(
            step=step,
            out_dir=Path(nothing),
            work_dir=Path(nothing),
            input_dirs=folders,
            data=DataPlace(cache_dir=store.data_cache),
            device=device,
        )
        return Controller(
            anchor.load_anchor(steps["anchor"], context),
            edge.load_edge(steps["edge"], context),
            weight.load_weight(steps["weight"], context) if "weight" in steps else None,
        )


def evaluated_statistics(step: Step) -> Statistics:
    """Normalisation statistics under which a step's controller was evaluated; of the batch if it was not."""
    statistics: Statistics = "batch"
    if step.stage == evaluate.STAGE:
        statistics = step.config.protocol.statistics
    return statistics


def _run_before(step: Step, context: RunContext) -> None:  # noqa: ARG001
    raise AssertionError(f"{step.address} was rebuilt to be read, not to be run")
