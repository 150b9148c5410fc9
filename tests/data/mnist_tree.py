"""Writes tiny MNIST trees in the official layout."""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def digits(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Random images (count, 28, 28), black at the border, and labels (count,) of all classes in turn."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, 28, 28), dtype=np.uint8)
    images[:, 4:24, 4:24] = rng.integers(0, 256, size=(count, 20, 20))
    return images, (np.arange(count) % 10).astype(np.uint8)


def idx(array: NDArray[np.uint8]) -> bytes:
    """An IDX file of bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(root: Path, *, num_train: int = 100, num_test: int = 30) -> Path:
    """Write the four files; the folder."""
    folder = root / "mnist"
    folder.mkdir(parents=True)
    for part, count, seed in (("train", num_train, 1), ("t10k", num_test, 2)):
        images, labels = digits(count, seed)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder
