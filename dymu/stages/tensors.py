"""Module weights on disk, as safetensors."""

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn

from dymu.errors import CorruptArtifactError


def save_module(module: nn.Module, path: Path) -> None:
    """Write all parameters and buffers."""
    save_file({name: tensor.contiguous().cpu() for name, tensor in module.state_dict().items()}, path)


def load_module(module: nn.Module, path: Path) -> None:
    """Fill a module from a file.

    Raises:
        CorruptArtifactError: If the file's tensors are not those of the module.
    """
    try:
        module.load_state_dict(load_file(path))
    except (RuntimeError, OSError, ValueError) as error:
        raise CorruptArtifactError(
            f"{path} does not hold the weights of {type(module).__name__}: {error}. Run `dymu cache verify`."
        ) from error
