"""Pictures of 8-bit pixels and their standardised form, the same on every machine."""

import numpy as np
from numpy.typing import NDArray


def channel_statistics(pictures_BCHW: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each channel, (C,) and (C,).

    Both come from exact sums of integers: a sum of floats depends on how a processor groups it, and the
    content digest of a dataset would too.
    """
    wide = pictures_BCHW.astype(np.int64)
    count = wide[:, 0].size
    total = wide.sum(axis=(0, 2, 3))
    squares = (wide * wide).sum(axis=(0, 2, 3))
    deviation = np.sqrt((squares * count - total * total).astype(np.float64)) / count
    return total / count, deviation


def standardised(
    pictures_BCHW: NDArray[np.uint8], *, mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Pictures less the mean, in units of the deviation, per channel."""
    shape = (1, -1, 1, 1)
    return ((pictures_BCHW - mean.reshape(shape)) / deviation.reshape(shape)).astype(np.float32)


def rounded(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values on a grid of 2^-16.

    Processors differ in the last digits of sines and logarithms; on the grid they agree. Zero loses its sign.
    """
    return (np.round(values * 2.0**16) / 2.0**16 + 0.0).astype(np.float32)
