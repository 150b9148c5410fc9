"""Writes tiny data in the layout NYUD_MT."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

TRAIN = tuple(f"{number:04d}" for number in range(1, 9))
TEST = tuple(f"{number:04d}" for number in range(101, 104))


def write_nyud(
    root: Path,
    *,
    size: tuple[int, int] = (12, 16),
    num_classes: int = 40,
    train: Sequence[str] = TRAIN,
    test: Sequence[str] = TEST,
) -> Path:
    """Pictures of noise with all targets below ``root``; returns the folder of the layout."""
    folder = root / "NYUD_MT"
    for name in ("images", "segmentation", "normals", "depth", "gt_sets"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    for name in (*train, *test):
        colours = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(colours).save(folder / "images" / f"{name}.jpg", quality=95, subsampling=0)
        classes = rng.integers(0, num_classes + 1, size, dtype=np.uint8)
        Image.fromarray(classes).save(folder / "segmentation" / f"{name}.png")
        vectors = rng.standard_normal((*size, 3)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
        vectors[0, 0] = 0
        np.save(folder / "normals" / f"{name}.npy", vectors)
        metres = rng.uniform(0.5, 10, size).astype(np.float32)
        metres[0, 1] = 0
        np.save(folder / "depth" / f"{name}.npy", metres)
    for split, names in (("train", train), ("val", test)):
        (folder / "gt_sets" / f"{split}.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    return folder
