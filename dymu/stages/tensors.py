"""Tensors on disk, as safetensors: module weights and single results."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from dymu.artifacts.files import disk_errors
from dymu.errors import CorruptArtifactError


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors under their names.

    Raises:
        StoreError: If the disk refuses.
    """
    content = save({name: tensor.contiguous().cpu() for name, tensor in tensors.items()})
    with disk_errors(path, doing="write"):
        path.write_bytes(content)


def load_tensor(path: Path, name: str) -> Tensor:
    """One of the tensors of a file.

    Raises:
        CorruptArtifactError: If the file cannot be read or has no such tensor.
    """
    try:
        return load_file(path)[name]
    except (SafetensorError, OSError, KeyError) as error:
        raise _not_there(path, f"the tensor {name!r}", error) from error


def save_module(module: nn.Module, path: Path) -> None:
    """Write all parameters and buffers.

    Raises:
        StoreError: If the disk refuses.
    """
    save_tensors(module.state_dict(), path)


def load_module(module: nn.Module, path: Path) -> None:
    """Fill a module from a file.

    Raises:
        CorruptArtifactError: If the file cannot be read or its tensors are not those of the module.
    """
    try:
        module.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise _not_there(path, f"the weights of {type(module).__name__}", error) from error


def _not_there(path: Path, what: str, error: Exception) -> CorruptArtifactError:
    return CorruptArtifactError(f"{path} does not hold {what}: {error}. Run `dymu cache verify`.")
