"""Examples of one split, in memory or mapped from a file, and how they are made ready for a network."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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


class Preparation(Protocol):
    """Makes network input of what is stored; pure functions, whatever the device."""

    @property
    def num_draws(self) -> int:
        """K, the numbers in [0, 1) that the augmentation of one example takes; 0 for no augmentation."""

    def plain(self, images: Tensor, targets: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Images and targets of a batch as networks and losses want them."""

    def augmented(
        self, images: Tensor, targets: Mapping[str, Tensor], draws_BK: Tensor
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The same, changed at random as the draws say."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """All examples of a split, or a batch of them.

    Attributes:
        images: (n, C, H, W), or (n, N, C, H, W) if every task has an image of its own; float32, or the
            stored form that ``preparation`` takes.
        targets: Per task name, (n, ...) as its :data:`~dymu.spec.task.TaskKind` says, or the stored form.
        digest: Content digest of images and targets of the whole dataset.
        preparation: What makes a batch ready; ``None`` if it is.
    """

    images: Tensor
    targets: Mapping[str, Tensor]
    digest: str
    preparation: Preparation | None = None

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

    @property
    def num_draws(self) -> int:
        """Numbers in [0, 1) that the augmentation of one example takes."""
        return 0 if self.preparation is None else self.preparation.num_draws

    def batch(self, index_B: Tensor, device: str = "cpu", draws_BK: Tensor | None = None) -> "Examples":
        """The examples at the given positions, ready for a network, on a device.

        Args:
            index_B: Positions.
            device: Where the batch is made ready and stays.
            draws_BK: Draws of the augmentation, on the CPU; ``None`` for none.
        """
        images = _moved(self.images[index_B], device)
        targets: Mapping[str, Tensor] = {
            name: _moved(target[index_B], device) for name, target in self.targets.items()
        }
        if self.preparation is not None and draws_BK is not None:
            images, targets = self.preparation.augmented(images, targets, _moved(draws_BK, device))
        elif self.preparation is not None:
            images, targets = self.preparation.plain(images, targets)
        return Examples(images=images, targets=targets, digest=self.digest)


def draw_batch(count: int, size: int, generator: torch.Generator) -> Tensor:
    """(size,) positions drawn without replacement from ``count`` examples."""
    return torch.randperm(count, generator=generator)[:size]


def _moved(tensor: Tensor, device: str) -> Tensor:
    """A tensor on a device; a GPU takes it from pinned memory while the CPU goes on."""
    if device.startswith("cuda") and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
