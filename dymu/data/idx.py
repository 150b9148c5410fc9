"""Reads IDX files, the format of MNIST: a type, a shape, and the values in row-major big-endian order.

http://yann.lecun.com/exdb/mnist/ describes it: two zero bytes, a byte for the type, a byte for the number of
dimensions, four bytes for the size of each, values.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dymu.errors import DataError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path) -> NDArray[Any]:
    """The array in an IDX file, in this machine's byte order.

    Raises:
        DataError: If the file cannot be read, is no IDX file, or is cut or too long.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise DataError(
            f"{path} begins with {content[:4].hex(' ') or 'nothing'}, which no IDX file does; unpack the "
            "archive that the publisher distributes."
        )
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"{path} has {len(content)} bytes and ends within its header; get it again.")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    dtype = np.dtype(_TYPES[content[2]])
    expected = start + dtype.itemsize * int(np.prod(shape, dtype=object))
    if len(content) != expected:
        raise DataError(f"{path} has {len(content)} bytes, not {expected} for shape {shape}; get it again.")
    return np.frombuffer(content, dtype=dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
