"""Writes decoded arrays example by example, with checksums on the way: nothing has to fit in memory."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from dymu.artifacts.files import disk_errors
from dymu.data.splits import Split
from dymu.errors import DataError

# Bytes under one checksum.
BLOCK_BYTES = 16 << 20


@dataclass
class _Stream:
    """One array on its way to its file."""

    path: Path
    file: BinaryIO
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    count: int = 0
    blocks: list[str] = field(default_factory=list)
    block: Any = field(default_factory=hashlib.sha256)
    filled: int = 0

    def append(self, array: NDArray[Any]) -> None:
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        self.file.write(content)
        self.count += len(array)
        while len(content):
            part = content[: BLOCK_BYTES - self.filled]
            self.block.update(part)
            self.filled += len(part)
            content = content[len(part) :]
            if self.filled == BLOCK_BYTES:
                self.end_block()

    def end_block(self) -> None:
        if self.filled:
            self.blocks.append(_short(self.block))
            self.block, self.filled = hashlib.sha256(), 0


class DecodedWriter:
    """Appends examples to the arrays of splits; a context manager that closes the files.

    Args:
        folder: An empty folder for the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._streams: dict[Split, dict[str, _Stream]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for streams in self._streams.values():
            for stream in streams.values():
                stream.file.close()

    def append(self, split: Split, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Append one or more examples to a split.

        The first call of a split fixes names, types and shapes.

        Args:
            split: Which split.
            arrays: Images under :data:`~dymu.data.cache.IMAGES`, targets under their task's name; each
                (b, ...) with one b for all.

        Raises:
            DataError: If a name, type, shape or number of examples differs.
            StoreError: If the disk refuses.
        """
        with disk_errors(self._folder, doing="decode data into"):
            if split not in self._streams:
                self._streams[split] = {
                    name: self._begin(split, index, array)
                    for index, (name, array) in enumerate(sorted(arrays.items()))
                }
            streams = self._streams[split]
            self._check(split, arrays)
            for name, array in arrays.items():
                streams[name].append(array)

    def finish(self) -> dict[str, dict[str, Any]]:
        """Flush, and describe what was written: per split and array its file, type, shape and checksums.

        Raises:
            DataError: If nothing was written to any split.
            StoreError: If the disk refuses.
        """
        if not self._streams:
            raise DataError("the source has no examples in any split; check what lies below the data root.")
        return {
            split.value: {name: self._end(stream) for name, stream in streams.items()}
            for split, streams in self._streams.items()
        }

    def _begin(self, split: Split, index: int, array: NDArray[Any]) -> _Stream:
        # Numbers, because the name of a task may hold what no file's name can.
        path = self._folder / f"{split.value}-{index:02d}.raw"
        return _Stream(path=path, file=path.open("wb"), dtype=array.dtype, shape=array.shape[1:])

    def _check(self, split: Split, arrays: Mapping[str, NDArray[Any]]) -> None:
        streams = self._streams[split]
        if arrays.keys() != streams.keys():
            raise DataError(
                f"an example of split {split.value!r} has {sorted(arrays)}, but the first had "
                f"{sorted(streams)}."
            )
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) != 1:
            raise DataError(f"arrays of split {split.value!r} differ in their number of examples: {lengths}.")
        for name, array in arrays.items():
            stream = streams[name]
            if (array.dtype, array.shape[1:]) != (stream.dtype, stream.shape):
                raise DataError(
                    f"example {stream.count} of split {split.value!r} has {name!r} of type {array.dtype} and "
                    f"shape {array.shape[1:]}, but the first had {stream.dtype} and {stream.shape}."
                )

    def _end(self, stream: _Stream) -> dict[str, Any]:
        stream.end_block()
        with disk_errors(stream.path, doing="decode data into"):
            stream.file.close()
        return {
            "file": stream.path.name,
            "dtype": stream.dtype.str,
            "shape": [stream.count, *stream.shape],
            "blocks": stream.blocks,
        }


def block_digests(content: bytes) -> list[str]:
    """Checksums of the blocks of a content."""
    return [
        _short(hashlib.sha256(content[start : start + BLOCK_BYTES]))
        for start in range(0, len(content), BLOCK_BYTES)
    ]


def _short(state: Any) -> str:
    return str(state.hexdigest()[:32])
