import struct
from pathlib import Path

import numpy as np
import pytest

from dymu.data.idx import read_idx
from dymu.errors import DataError
from tests.data.mnist_tree import idx


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(content)
    return path


def test_bytes_come_back_in_their_shape(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(read_idx(written(tmp_path, idx(array))), array)


@pytest.mark.parametrize(
    ("code", "dtype"), [(8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")]
)
def test_values_of_every_type_are_big_endian(tmp_path: Path, code: int, dtype: str) -> None:
    array = np.array([[1, 2, 100], [4, 5, 6]], dtype=f">{dtype}")
    read = read_idx(written(tmp_path, struct.pack(">HBBII", 0, code, 2, 2, 3) + array.tobytes()))
    assert np.array_equal(read, array)
    assert read.dtype == np.dtype(dtype)
    assert read.dtype.isnative


def test_the_array_can_be_written(tmp_path: Path) -> None:
    read_idx(written(tmp_path, idx(np.zeros(3, np.uint8))))[0] = 1


@pytest.mark.parametrize(
    ("content", "begins"),
    [
        (b"", "nothing"),
        (b"\0\0\x08", "00 00 08"),
        (b"\x1f\x8b\x08\0rest", "1f 8b 08 00"),
        (b"\0\0\x07\x01", "00 00 07 01"),
    ],
)
def test_another_format_is_refused(tmp_path: Path, content: bytes, begins: str) -> None:
    with pytest.raises(DataError, match=rf"file begins with {begins}, which no IDX file does; unpack"):
        read_idx(written(tmp_path, content))


def test_a_cut_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 9 bytes and ends within its header"):
        read_idx(written(tmp_path, struct.pack(">HBBI", 0, 8, 2, 2) + b"\0"))


@pytest.mark.parametrize("change", [-1, 1])
def test_a_cut_or_longer_file_is_refused(tmp_path: Path, change: int) -> None:
    content = idx(np.zeros((2, 3), np.uint8))
    other = content[:-1] if change < 0 else content + b"\0"
    with pytest.raises(DataError, match=rf"has {18 + change} bytes, not 18 for shape \(2, 3\)"):
        read_idx(written(tmp_path, other))


def test_a_shape_beyond_all_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 16 bytes, not"):
        read_idx(written(tmp_path, struct.pack(">HBBIII", 0, 8, 3, *[2**32 - 1] * 3)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone cannot be read \(No such file"):
        read_idx(tmp_path / "gone")
