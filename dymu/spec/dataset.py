"""What a dataset must offer; the config of a dataset is the dataset."""

from typing import Any, Protocol, runtime_checkable

from dymu.spec.task import Task


@runtime_checkable
class Dataset(Protocol):
    """A frozen config that knows its tasks and can load its splits."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Tasks in a fixed order; the order of preferences, losses and streams."""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""

    def load(self, split: Any, place: Any) -> Any:
        """``dymu.data.examples.Examples`` of one split; ``place`` says where caches and roots are."""
