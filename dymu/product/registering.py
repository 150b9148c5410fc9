"""A controller as a registered model of MLflow."""

import shutil
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock
from torch import Tensor

from dymu import __version__
from dymu.artifacts.files import disk_errors
from dymu.artifacts.fingerprint import canonical
from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.data.examples import DataPlace, Examples, draw_batch
from dymu.data.splits import Split
from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet
from dymu.product.controller import TrainedController
from dymu.product.folder import save_controller
from dymu.product.loading import DATA_FOLDER, database_uri
from dymu.product.own_classes import own_class_names
from dymu.product.published import evaluated_statistics, read_controller
from dymu.stages import evaluate
from dymu.stages.inputs import dataset_of
from dymu.stages.randomness import Randomness
from dymu.tracking.mlflow import create_database
from dymu.tracking.mlflow_models import (
    ModelFiles,
    ModelHome,
    ModelParam,
    Models,
    RegisteredVersion,
    check_model_name,
)
from dymu.tracking.relocation import check_place

LOADER = "dymu.product.served"
# What LOADER needs beside dymu itself; a test loads a model where nothing else can be imported.
_NEEDED = ("mlflow", "numpy", "pydantic", "safetensors", "torch")
_BATCH_SIZE = 100


def register(
    controller: TrainedController,
    *,
    name: str,
    experiment: str,
    store: Store,
    tracking_uri: str | None = None,
) -> RegisteredVersion:
    """Log a controller as a pyfunc model and register it; each call makes a version.

    Args:
        controller: What to register.
        name: Of the registered model.
        experiment: Where it is logged, with the run that told of its evaluation, if there is one.
        store: Whose database is used unless there is a tracking URI.
        tracking_uri: MLflow server or database.

    Raises:
        TrackingError: If the name is none, the store's database keeps its files in another one, or the
            server refuses or cannot be reached.
        StoreError: If the disk refuses.
    """
    check_model_name(name)
    artifacts = None
    if tracking_uri is None:
        check_place(store)
        tracking_uri, artifacts = database_uri(store), (store.mlflow_dir.absolute() / "artifacts").as_uri()
        database = store.mlflow_dir.absolute() / "mlflow.db"
        with disk_errors(database, doing="create"):
            database.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(database.parent / "create.lock"):  # as whoever tells of a study does
                if not database.exists():
                    create_database(database)
    home = ModelHome(
        experiment=experiment,
        artifacts=artifacts,
        run_tag=("dymu.evaluation", controller.source),
        name=DATA_FOLDER,
    )
    with TemporaryDirectory() as folder:
        return Models(tracking_uri).register(model_files(controller, Path(folder)), home, name=name)


def controller_with_images(
    store: Store, step: Step, *, data: DataPlace, num_batches: int
) -> TrainedController:
    """The controller of a step with training images, so that it predicts each image by itself.

    The images are those by which an evaluation with recalibrated statistics would have done it.

    Args:
        store: Where it is published.
        step: Evaluation, weight or edge step.
        data: Where the dataset lies.
        num_batches: Batches of images; with none, the controller keeps the statistics of its evaluation.

    Raises:
        SpecError: If the step has no controller.
        DataError: If the dataset is not there.
        StoreError: If the store lacks a part of the controller.
    """
    parts = read_controller(store, step)
    if num_batches == 0:
        return TrainedController(parts, source=step.address, statistics=evaluated_statistics(step))
    images = calibration_batches(step, data, num_batches)
    return TrainedController(parts, source=step.address, statistics="recalibrated", calibration=images)


def calibration_batches(step: Step, data: DataPlace, num_batches: int) -> list[Tensor]:
    """Batches of prepared training images, of the size with which the step evaluates.

    Raises:
        DataError: If the dataset is not there.
    """
    assert step.seed is not None, f"{step.address} has no seed"
    examples: Examples = dataset_of(step).load(Split.TRAIN, data)
    size = step.config.protocol.batch_size if step.stage == evaluate.STAGE else _BATCH_SIZE
    random = Randomness(step.seed, step.stage)
    draws = (
        draw_batch(len(examples), size, random.torch("recalibration", number))
        for number in range(num_batches)
    )
    return [examples.batch(index_B).images for index_B in draws]


def model_files(controller: TrainedController, folder: Path) -> ModelFiles:
    """Write a controller and a copy of dymu's code below a folder, as what a logged model is made of.

    Raises:
        SpecError: If its backbone is made of classes that are not dymu's, which the model would not have.
        StoreError: If the disk refuses.
    """
    own = own_class_names(canonical(controller.parts.net.backbone))
    if own:
        raise SpecError(
            f"the backbone of {controller.source} is made of {', '.join(own)}, but a registered model has "
            "the code of dymu alone. Make it a file of dymu/networks/backbones/, or keep the controller as a "
            "folder (dymu.product.folder.save_controller)."
        )
    save_controller(controller, folder / DATA_FOLDER)
    code = folder / "code" / "dymu"
    shutil.copytree(
        Path(__file__).parents[1], code, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    )
    tasks = controller.tasks
    own_images = bool(controller.calibration) and controller.calibration[0].ndim == 5
    one = (-1, len(tasks)) if own_images else (-1,)
    return ModelFiles(
        data=folder / DATA_FOLDER,
        loader=LOADER,
        code=code,
        requirements=[f"{name}=={_public(version(name))}" for name in _NEEDED],
        inputs=(*one, *controller.image_shape),
        outputs=_outputs(controller.parts.net),
        params=(
            ModelParam(name="r", default=[1.0 / len(tasks)] * len(tasks)),
            ModelParam(name="c", default=0.0),
            ModelParam(name="statistics", default=controller.statistics),
        ),
        tags={"dymu.address": controller.source, "dymu.tasks": ", ".join(tasks), "dymu.version": __version__},
    )


def _outputs(net: AnchorNet) -> dict[str, tuple[int, ...]]:
    _, height, width = net.image_shape
    return {
        task.name: (-1, task.num_outputs)
        if task.kind == "classification"
        else (-1, task.num_outputs, height, width)
        for task in net.tasks
    }


def _public(text: str) -> str:
    """A version without what says how it was built, as in ``2.13.0+cpu``."""
    return text.partition("+")[0]
