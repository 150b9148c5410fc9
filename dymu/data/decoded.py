"""Official data in decoded form: one folder of raw arrays per content of the source, mapped into memory.

Decoding tens of thousands of files takes minutes, reading pixels out of a map takes nothing, so it is done
once. The folder ``<class of the source>-<digest of its config>-<content digest of its files>`` holds one file
per split and array, and a header with shapes, types and checksums. It is whole or not there. Beside it,
one small file per state of the root (names, sizes, times of change) remembers the content digest, so that
an unchanged root is not read again; one that changed is, and decoded again if the content changed too.
"""

import hashlib
import json
import mmap
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from filelock import FileLock
from numpy.typing import DTypeLike
from torch import Tensor, from_numpy

from dymu.artifacts.files import disk_errors, write_whole
from dymu.artifacts.fingerprint import DIGEST_LENGTH, canonical, digest, digest_of_form
from dymu.data.cache import IMAGES
from dymu.data.decoded_writer import BLOCK_BYTES, DecodedWriter, block_digests
from dymu.data.examples import DataPlace, Examples, Preparation
from dymu.data.official import Official, Tell, require_root, silent
from dymu.data.splits import Split
from dymu.errors import CorruptArtifactError, DataError
from dymu.spec.dataset import Dataset

HEADER = "header.json"

# Blocks of an array that are compared with their checksums each time it is opened: all of an array up to
# 256 MiB, an even sample of a larger one, whose size is compared always.
CHECKED_BLOCKS = 16

_FORMAT = 1


class Source(Protocol):
    """What decodes; a frozen config whose fields are all that the decoded arrays depend on."""

    @property
    def revision(self) -> int:
        """Raised when the same files are decoded to other arrays than before."""

    def files(self, root: Path) -> Sequence[str]:
        """Names below the root of all files that :meth:`decode` reads.

        Raises:
            DataError: If it can be seen already that some are missing.
        """

    def decode(self, root: Path, writer: DecodedWriter, tell: Tell) -> None:
        """Append the examples of every split, in order.

        Raises:
            DataError: If a file is damaged; names it.
        """


class OfficialDataset(Dataset, Official, Protocol):
    """A dataset in an official layout."""


@dataclass(frozen=True)
class Decoded:
    """Arrays of one split, mapped from files; writing to them changes this process's copy alone.

    Attributes:
        arrays: Per name, (n, ...).
        digest: Content digest of all splits.
    """

    arrays: Mapping[str, Tensor]
    digest: str


def load_decoded(
    dataset: OfficialDataset,
    split: Split,
    place: DataPlace,
    *,
    source: Source,
    preparation: Preparation | None,
    tell: Tell = silent,
) -> Examples:
    """Examples of one split of the source, decoded at the first call on a machine and mapped from then on.

    Args:
        dataset: The config that is the dataset; every one of its tasks must be an array of the source.
        split: Which of the splits that the source writes.
        place: Where the root and the cache are.
        source: What decodes.
        preparation: What makes a batch of the arrays ready.
        tell: Told done and total, in files while they are read for their digest, then as the source says.

    Raises:
        CorruptArtifactError: If the decoded data does not match its header; names the folder.
        DataError: If there is no root, a file is missing or damaged, or a task lacks targets.
        StoreError: If the disk refuses.
    """
    decoded = open_decoded(dataset, split, place, source=source, tell=tell)
    targets = {name: array for name, array in decoded.arrays.items() if name != IMAGES}
    images = decoded.arrays[IMAGES]
    examples = Examples(images=images, targets=targets, digest=decoded.digest, preparation=preparation)
    examples.require(dataset.tasks)
    return examples


def open_decoded(
    dataset: Official, split: Split, place: DataPlace, *, source: Source, tell: Tell = silent
) -> Decoded:
    """The arrays of one split of the source; see :func:`load_decoded`.

    Raises:
        DataError: If files are missing, damaged, or change meanwhile.
    """
    root = require_root(place.root, dataset)
    with disk_errors(place.cache_dir, doing="decode data into"):
        place.cache_dir.mkdir(parents=True, exist_ok=True)
    state = root_state(source, root)
    folder = place.cache_dir / f"{_stem(source)}-{_content(source, root, state, place.cache_dir, tell)}"
    if not folder.exists():
        _build(folder, source, root, tell)
        if root_state(source, root) != state:
            raise DataError(f"files below {root} changed while they were decoded; try again when none does.")
    return _open(folder, split)


def root_state(source: Source, root: Path) -> str:
    """Digest of the names, sizes and times of change of the source's files; reads none of them.

    Raises:
        DataError: If a file is missing.
    """
    with _readable(root):
        stats = [(name, (root / name).stat()) for name in sorted(source.files(root))]
    return digest_of_form([str(root.resolve()), *((name, s.st_size, s.st_mtime_ns) for name, s in stats)])


def _stem(source: Source) -> str:
    return f"{type(source).__name__.lower()}-{digest(source)}"


def _content(source: Source, root: Path, state: str, cache_dir: Path, tell: Tell) -> str:
    """Content digest of the source's files, remembered per state of the root."""
    memory = cache_dir / f"{_stem(source)}.{state}.json"
    if memory.exists():
        try:
            seen = json.loads(memory.read_text(encoding="utf-8"))
            if seen["revision"] == source.revision:
                return str(seen["content"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptArtifactError(
                f"{memory} cannot be read ({type(error).__name__}: {error}); delete it and the data is "
                "read again."
            ) from error
    total = hashlib.sha256(f"{_FORMAT}|{source.revision}".encode())
    names = sorted(source.files(root))
    with _readable(root):
        for index, name in enumerate(names):
            total.update(f"|{name}|{_file_digest(root / name)}".encode())
            tell(index + 1, len(names))
    content = total.hexdigest()[:DIGEST_LENGTH]
    with disk_errors(memory, doing="remember the state of the data in"):
        write_whole(memory, json.dumps({"content": content, "revision": source.revision}))
    return content


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _readable(root: Path) -> Iterator[None]:
    """Say which file of the source cannot be read."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{error.filename or root} cannot be read ({error.strerror or error}); "
            "restore it below the data root, or make it readable."
        ) from error


def _build(folder: Path, source: Source, root: Path, tell: Tell) -> None:
    # The lock saves the others the same work. Where a disk has no locks both work, and the first rename wins.
    with disk_errors(folder, doing="decode data into"):
        lock = FileLock(folder.with_name(f".{folder.name}.lock"))
        lock.acquire()
    try:
        if not folder.exists():
            _write(folder, source, root, tell)
    finally:
        lock.release()


def _write(folder: Path, source: Source, root: Path, tell: Tell) -> None:
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        with disk_errors(partial, doing="decode data into"):
            partial.mkdir()
        with DecodedWriter(partial) as writer:
            with _readable(root):
                source.decode(root, writer, tell)
            arrays = writer.finish()
        header = {
            "format": _FORMAT,
            "source": canonical(source),
            "arrays": arrays,
            "digest": digest_of_form(arrays),
        }
        with disk_errors(partial, doing="decode data into"):
            write_whole(partial / HEADER, json.dumps(header, indent=1, sort_keys=True))
            try:
                partial.rename(folder)
            except OSError:
                if not folder.exists():
                    raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _open(folder: Path, split: Split) -> Decoded:
    try:
        header = json.loads((folder / HEADER).read_text(encoding="utf-8"))
        if header["format"] != _FORMAT:
            raise _corrupt(folder, f"has format {header['format']}, not {_FORMAT}")
        found = digest_of_form(header["arrays"])
        if found != header["digest"]:
            raise _corrupt(folder, f"has a header of digest {found}, not {header['digest']}")
        arrays = {name: _map(folder, entry) for name, entry in header["arrays"][split.value].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _corrupt(folder, f"cannot be read ({type(error).__name__}: {error})") from error
    return Decoded(arrays=arrays, digest=header["digest"])


def _map(folder: Path, entry: Mapping[str, Any]) -> Tensor:
    path = folder / entry["file"]
    dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
    size = dtype.itemsize * int(np.prod(shape))
    if path.stat().st_size != size:
        raise _corrupt(folder, f"holds {path.stat().st_size} bytes in {path.name}, not {size}")
    for block in _sample(len(entry["blocks"])):
        with path.open("rb") as file:
            file.seek(block * BLOCK_BYTES)
            found = block_digests(file.read(BLOCK_BYTES))
        if found != [entry["blocks"][block]]:
            raise _corrupt(folder, f"does not match its checksum in block {block} of {path.name}")
    return from_numpy(_mapped(path, dtype).reshape(shape))


def _sample(count: int) -> list[int]:
    """Up to CHECKED_BLOCKS of ``count`` positions, evenly spread, first and last among them."""
    return sorted(set(np.linspace(0, count - 1, min(count, CHECKED_BLOCKS)).round().astype(int).tolist()))


def _mapped(path: Path, dtype: DTypeLike) -> Any:
    """Private, writable map of a file: torch wants memory that can be written, the file stays as it is.

    No memory is reserved for pages that might be written, so the file may be larger than the memory.
    """
    with path.open("rb") as file:
        flags = mmap.MAP_PRIVATE | getattr(mmap, "MAP_NORESERVE", 0)
        mapped = mmap.mmap(file.fileno(), 0, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    return np.frombuffer(mapped, dtype=dtype)


def _corrupt(folder: Path, what: str) -> CorruptArtifactError:
    return CorruptArtifactError(
        f"the decoded data {folder} {what}; delete that folder and the data is decoded again."
    )
