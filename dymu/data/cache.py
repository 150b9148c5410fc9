"""Generated datasets on disk: one file per config, whole or absent, checked when read.

The file ``<class>-<digest of the config>.safetensors`` holds the tensors of all splits; its header holds a
content digest per split. Nothing in it is executed when it is read. Two processes that generate at once
write the same bytes to files of their own, and the last one to finish puts its file in place.
"""

import contextlib
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, from_numpy

from dymu.artifacts.fingerprint import DIGEST_LENGTH, digest
from dymu.data.examples import DataPlace, Examples
from dymu.data.splits import Split
from dymu.errors import CorruptArtifactError, StoreError
from dymu.spec.dataset import Dataset

# Name of the images among the arrays of a split; every other name is that of a task.
IMAGES = "images"

# The arrays of a split: images under IMAGES and targets under their task's name, as Examples wants them.
Arrays = Mapping[str, NDArray[np.generic]]

_FORMAT = "1"


def load_generated(
    dataset: Dataset, split: Split, place: DataPlace, *, generate: Callable[[], Mapping[Split, Arrays]]
) -> Examples:
    """Examples of one split, generated at the first call on a machine and read from then on.

    Args:
        dataset: The config that is the dataset.
        split: Which part.
        place: Where the cache is.
        generate: Makes all splits; called only if the cache has no file of this config.

    Raises:
        CorruptArtifactError: If the cached file cannot be read or does not match its checksum.
        DataError: If a task lacks targets.
        StoreError: If the file cannot be written.
    """
    path = cache_path(dataset, place)
    if not path.exists():
        _write(path, generate())
    examples = _read(path, split)
    examples.require(dataset.tasks)
    return examples


def cache_path(dataset: Dataset, place: DataPlace) -> Path:
    """Where the generated data of a config lies."""
    return place.cache_dir / f"{type(dataset).__name__.lower()}-{digest(dataset)}.safetensors"


def content_digest(tensors: Mapping[str, Tensor]) -> str:
    """Digest of names, types, shapes and values."""
    state = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name].numpy()
        state.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        state.update(np.ascontiguousarray(array).data)
    return state.hexdigest()[:DIGEST_LENGTH]


def _write(path: Path, splits: Mapping[Split, Arrays]) -> None:
    tensors: dict[str, Tensor] = {}
    digests: dict[str, str] = {}
    for split, arrays in splits.items():
        own = {name: from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
        digests[split.value] = content_digest(own)
        tensors |= {f"{split.value}/{name}": tensor for name, tensor in own.items()}
    content = save(tensors, metadata={"format": _FORMAT, "digests": json.dumps(digests, sort_keys=True)})
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # what went wrong first is what the user has to know
            partial.unlink()
        raise StoreError(
            f"generated data cannot be written to {path} ({error}); free space there, or choose a store in a "
            "folder that can be written."
        ) from error


def _read(path: Path, split: Split) -> Examples:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            if metadata["format"] != _FORMAT:
                raise _corrupt(path, f"has format {metadata['format']}, not {_FORMAT}")
            digests: dict[str, str] = json.loads(metadata["digests"])
            prefix = f"{split.value}/"
            names = [key for key in file.keys() if key.startswith(prefix)]  # noqa: SIM118 (no mapping)
            tensors = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise _corrupt(path, f"cannot be read ({type(error).__name__}: {error})") from error
    found = content_digest(tensors)
    if found != digests.get(split.value):
        raise _corrupt(path, f"has content {found} in split {split.value!r}, not {digests.get(split.value)}")
    images = tensors.pop(IMAGES)
    return Examples(images=images, targets=tensors, digest=digest(digests))


def _corrupt(path: Path, what: str) -> CorruptArtifactError:
    return CorruptArtifactError(
        f"the cached data {path} {what}; delete that file and the data is generated again."
    )
