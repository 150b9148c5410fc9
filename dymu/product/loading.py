"""A trained controller from a store, from MLflow or from a folder."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from dymu.artifacts.location import find_store, open_store
from dymu.artifacts.step import Step
from dymu.artifacts.store import ADDRESS, Store
from dymu.errors import SpecError, TrackingError
from dymu.product.controller import TrainedController
from dymu.product.folder import read_folder
from dymu.product.published import evaluated_statistics, published_step, read_controller
from dymu.tracking.mlflow_models import Models
from dymu.tracking.relocation import check_place

DATA_FOLDER = "controller"  # of a logged model, below data/
_MLFLOW_SCHEMES = ("models:/", "runs:/")


def load(
    address: str | Path, *, store: str | Path | Store | None = None, tracking_uri: str | None = None
) -> TrainedController:
    """What :func:`dymu.run.loading.load` gives, but for the name of a study.

    Raises:
        SpecError: If there is no controller of that name, or it cannot be rebuilt.
        StoreError: If the store lacks it.
        TrackingError: If MLflow has no such model or cannot be reached.
    """
    if isinstance(address, Path):
        return read_folder(address)
    if not isinstance(address, str):
        raise SpecError(
            f"{address!r} is {type(address).__name__}; expected the name of a study, an address or a URI as "
            "text, or a folder as a Path."
        )
    if address.startswith(_MLFLOW_SCHEMES):
        return _from_mlflow(address, tracking_uri or os.environ.get("MLFLOW_TRACKING_URI"), store)
    if ADDRESS.fullmatch(address) is None:
        raise SpecError(
            f"{address!r} names no trained controller; expected a study (studies.digits:ours), an address "
            "(evaluate/0a1b2c3d4e5f6071), a model of MLflow (models:/NAME/VERSION), or the Path of a folder."
        )
    opened = store if isinstance(store, Store) else open_store(store, read_only=True)
    return controller_of(published_step(opened, address), opened)


def controller_of(step: Step, store: Store) -> TrainedController:
    """The trained controller of a step.

    Raises:
        SpecError: If the step has no controller.
        StoreError: If the store lacks a part of it.
    """
    return TrainedController(
        read_controller(store, step),
        source=step.address,
        statistics=evaluated_statistics(step),
    )


def database_uri(store: Store) -> str:
    """The tracking URI of the store's own database."""
    return f"sqlite:///{store.mlflow_dir.absolute() / 'mlflow.db'}"


def _from_mlflow(uri: str, tracking_uri: str | None, place: str | Path | Store | None) -> TrainedController:
    if tracking_uri is None:
        store = place if isinstance(place, Store) else find_store(place)
        if store is None or not (store.mlflow_dir / "mlflow.db").exists():
            raise TrackingError(
                f"{uri} is in an MLflow server or database, and none is named: give tracking_uri= or a store "
                "that has one, or set MLFLOW_TRACKING_URI."
            )
        check_place(store)
        tracking_uri = database_uri(store)
    with TemporaryDirectory() as folder:
        return read_folder(Models(tracking_uri).fetch(uri, f"data/{DATA_FOLDER}", Path(folder)))
