"""``dymu.load``: a trained controller from a store."""

from pathlib import Path

from dymu.artifacts.location import open_store
from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.product.controller import TrainedController
from dymu.product.published import evaluated_statistics, published_step, read_controller


def load(address: str, *, store: str | Path | Store | None = None, device: str = "cpu") -> TrainedController:
    """A trained controller.

    Args:
        address: Of an evaluation (``evaluate/0a1b2c3d4e5f6071``), or of a weight or edge hypernet.
        store: Where artifacts are: a folder, a bucket or an open store; ``$DYMU_STORE`` or ``.dymu`` by
            default.
        device: Where its tensors are to lie.

    Raises:
        SpecError: If there is no controller at the address, or this version of dymu cannot rebuild it.
        StoreError: If the store cannot be read or lacks the artifact or one that it needs.
    """
    opened = store if isinstance(store, Store) else open_store(store, read_only=True)
    return controller_of(published_step(opened, address), opened, device=device)


def controller_of(step: Step, store: Store, *, device: str = "cpu") -> TrainedController:
    """The trained controller of a step.

    Raises:
        SpecError: If the step has no controller.
        StoreError: If the store lacks a part of it.
    """
    return TrainedController(
        read_controller(store, step, device=device),
        source=step.address,
        statistics=evaluated_statistics(step),
    )
