"""Examples of one split, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dymu.errors import DataError
from dymu.spec.task import Task


@dataclass(frozen=True, kw_only=True)
class DataPlace:
    """Where data lies; never part of an address.

    Attributes:
        cache_dir: Folder for generated or decoded data, by digest of the dataset's config.
        root: Folder with the official layout, for datasets that are not generated.
    """

    cache_dir: Path
    root: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Examples:
    """All examples of a split.

    Attributes:
        images: (n, C, H, W) float32.
        targets: Per task name, (n, ...) as its :data:`~dymu.spec.task.TaskKind` says.
        digest: Content digest of images and targets of the whole dataset.
    """

    images: Tensor
    targets: Mapping[str, Tensor]
    digest: str

    def __len__(self) -> int:
        return len(self.images)

    def require(self, tasks: tuple[Task, ...]) -> None:
        """Check that every task has one target per image.

        Raises:
            DataError: If a target is missing or has another length; names the task.
        """
        for task in tasks:
            if task.name not in self.targets:
                have = ", ".join(sorted(self.targets)) or "none"
                raise DataError(f"no targets for task {task.name!r}; the data has targets for: {have}.")
            if len(self.targets[task.name]) != len(self):
                raise DataError(
                    f"task {task.name!r} has {len(self.targets[task.name])} targets for {len(self)} images; "
                    "delete the cached data and let it be made again."
                )
        if len(self) == 0:
            raise DataError("the split is empty; raise the number of examples in the dataset's config.")

    def batch(self, index_B: Tensor, device: str = "cpu") -> "Examples":
        """The examples at the given positions, on a device."""
        targets = {name: target[index_B].to(device) for name, target in self.targets.items()}
        return Examples(images=self.images[index_B].to(device), targets=targets, digest=self.digest)


def draw_batch(count: int, size: int, generator: torch.Generator) -> Tensor:
    """(size,) positions drawn without replacement from ``count`` examples."""
    return torch.randperm(count, generator=generator)[:size]
