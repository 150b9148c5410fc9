"""The stored form of pictures with dense targets: compact, the same for every dataset, made ready later.

Images are (3, H, W) uint8, class ids (H, W) and binary maps (1, H, W) uint8 with IGNORED_CLASS where unknown,
normals (3, H, W) int8 in units of 1/NORMAL_UNIT and depth (1, H, W) float16, zero where unknown. A picture
that is smaller than (H, W) lies in the upper left corner; its height and width are stored under SIZES.
"""

import numpy as np
from numpy.typing import NDArray

from dymu.artifacts.config import check
from dymu.data.dense_files import Pixels

# Name of the heights and widths of pictures among the stored targets; without them all are (H, W).
SIZES = "sizes"

# Stored normals are integers; rounding moves a unit vector by 0.39 degrees at most and 0.16 in the mean.
NORMAL_UNIT = 127

# Shorter normals have no direction; sums of float32 components are exact to a few units of 1e-7.
_SHORTEST = 1e-6


def stored_normals(vectors_HW3: Pixels) -> NDArray[np.int8]:
    """(3, H, W) unit vectors in units of 1/NORMAL_UNIT, zero where a vector has no length."""
    vectors = np.moveaxis(vectors_HW3, -1, 0).astype(np.float32)
    length = np.sqrt((vectors * vectors).sum(axis=0))
    known = length > _SHORTEST
    return np.round(np.where(known, vectors / np.where(known, length, 1), 0) * NORMAL_UNIT).astype(np.int8)


def padded(array: Pixels, shape: tuple[int, int], fill: int) -> Pixels:
    """An array (..., h, w) in the upper left corner of one of shape (..., H, W)."""
    missing = [(0, wanted - found) for wanted, found in zip(shape, array.shape[-2:], strict=True)]
    return np.pad(array, [(0, 0)] * (array.ndim - 2) + missing, constant_values=fill)


def check_pictures(owner: object) -> None:
    """Refuse senseless fields of a config of pictures: sizes, counts and scales.

    Raises:
        SpecError: Names the field.
    """
    for field in ("height", "width", "num_val"):
        check(getattr(owner, field) > 0, owner, field, "a positive number")
    for field in ("num_train", "num_test"):
        count = getattr(owner, field)
        check(count is None or count > 0, owner, field, "a positive number of pictures, or None for all")
    scales: tuple[float, ...] = getattr(owner, "scales")  # noqa: B009 - the type is what the line is for
    positive = len(scales) > 0 and all(scale > 0 for scale in scales)
    check(positive, owner, "scales", "at least one positive scale; (1.0,) for none")
