"""``dymu.load``: also by the name of a study, which only this layer can look up."""

import re
from pathlib import Path

from dymu.artifacts.location import open_store
from dymu.artifacts.store import Store
from dymu.errors import SpecError, StoreError
from dymu.product.controller import TrainedController
from dymu.product.loading import controller_of
from dymu.product.loading import load as load_published
from dymu.run.target import load_study
from dymu.spec.study import Study

_STUDY = re.compile(r"[A-Za-z_][\w.]*:\w*")  # and not models:/NAME/VERSION


def load(
    address: str | Path,
    *,
    seed: int = 0,
    store: str | Path | Store | None = None,
    tracking_uri: str | None = None,
) -> TrainedController:
    """A trained controller, on the CPU.

    Args:
        address: A trained study (``studies.digits:ours``), found from the working directory; or the address
            of an evaluation (``evaluate/0a1b2c3d4e5f6071``), or of a weight or edge hypernet; or a logged
            model of MLflow: ``models:/NAME/VERSION``, ``models:/NAME@ALIAS``, ``runs:/RUN/NAME``; or the path
            of a folder that :func:`dymu.product.folder.save_controller` wrote.
        seed: Of a study's trained controller.
        store: Where artifacts are: a folder, a bucket or an open store; ``$DYMU_STORE`` or ``.dymu`` by
            default.
        tracking_uri: For a model of MLflow, the server or database; ``$MLFLOW_TRACKING_URI`` or the database
            of the store by default.

    Raises:
        SpecError: If there is no controller of that name, this version of dymu cannot rebuild it, or a class
            that it is made of, such as a dataset of your own, is not found from the working directory.
        StoreError: If the store cannot be read or lacks the artifact or one that it needs.
        TrackingError: If MLflow has no such model or cannot be reached.
    """
    if isinstance(address, str) and _STUDY.fullmatch(address):
        study = load_study(address, folder=Path.cwd())
        opened = store if isinstance(store, Store) else open_store(store, read_only=True)
        return controller_of_study(opened, study, seed)
    return load_published(address, store=store, tracking_uri=tracking_uri)


def controller_of_study(store: Store, study: Study, seed: int) -> TrainedController:
    """The trained controller of a study; it need not be evaluated yet.

    Raises:
        SpecError: If the study's method has no controller, or the seed is none.
        StoreError: If the study has not been trained at this seed.
    """
    given: object = seed  # from a notebook it is anything
    if not isinstance(given, int) or given < 0:
        raise SpecError(f"seed is {seed!r}; expected a whole number from 0 on.")
    step = study.evaluation_step(seed)
    missing = [below.address for below in step.inputs.values() if not store.has(below.address)]
    if missing:
        raise StoreError(
            f"study {study.name} is not trained at seed {seed}: {missing[0]} is missing in {store.location}. "
            f"Train it: `dymu run STUDY --seed-list {seed}`."
        )
    return controller_of(step, store)
