"""Weights that somebody trained before: what they are, and how a net starts from them.

Files have torchvision's key layout; torchvision itself is not needed. Reading a pickle is confined to tensors
(``weights_only``), and before that the content must have the checksum that the config names. A file in
safetensors format, which holds nothing but tensors, is read as well.
"""

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors.torch
import torch
from torch import Tensor, nn

from dymu.artifacts.config import check, config
from dymu.errors import DataError
from dymu.networks.norm import Node, Norm

if TYPE_CHECKING:  # backbones name their weights, and nets are made of backbones
    from dymu.networks.anchor_net import AnchorNet

_FOLDER = "weights"
_OFFICIAL = "https://download.pytorch.org/models/"
# Keys of layers that dense nets do not have, and a counter that dymu's normalisation does not need.
_CLASSIFIERS = ("classifier.", "fc.", "features.18.")
_COUNTER = ".num_batches_tracked"
_SHOWN = 5


@config
class PretrainedWeights:
    """A file of weights; its content is its identity, where it lies is not.

    Attributes:
        file: Name below ``weights/`` of the data root.
        sha256: Checksum of the file, or its first eight hexadecimal digits or more.
    """

    file: str
    sha256: str

    def __post_init__(self) -> None:
        plain = self.file not in ("", ".", "..") and not set(self.file) & set("/\\")
        check(plain, self, "file", "the name of a file, without folders")
        fits = 8 <= len(self.sha256) <= 64 and all(digit in "0123456789abcdef" for digit in self.sha256)
        check(fits, self, "sha256", "8 to 64 lower-case hexadecimal digits")


# ImageNet weights of torchvision (IMAGENET1K_V1). The official names carry the first digits of the checksum;
# the first file holds the ``features`` of the second without its classifier.
MOBILENET_V2 = PretrainedWeights(
    file="mobilenet_v2_features.pt", sha256="e8a0fb6c111b5d0c8fbbfa9f63855bc1d69224c42c9a0aa4fde59974663d242c"
)
MOBILENET_V2_OFFICIAL = PretrainedWeights(file="mobilenet_v2-b0353104.pth", sha256="b0353104")
RESNET34 = PretrainedWeights(file="resnet34-b627a593.pth", sha256="b627a593")


@dataclass(frozen=True)
class PretrainedReport:
    """What became of every key; a file that does not fit raises instead.

    Attributes:
        weights: The file.
        loaded: Keys of the file that the net starts from.
        fresh: Parameters and statistics of the net that the layout of the file does not have; they keep
            their initial numbers (R-ASPP and heads).
        unused: Keys of the file without a place in the net: classifiers, counters, and scale and shift
            of normalisations that have none.
    """

    weights: PretrainedWeights
    loaded: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]

    def summary(self) -> str:
        """One line for a log."""
        return (
            f"{self.weights.file}: {len(self.loaded)} keys loaded, {len(self.unused)} of the file unused; "
            f"{len(self.fresh)} tensors of the net are not in it and keep their initial numbers"
        )


def load_pretrained(net: "AnchorNet", root: Path | None) -> PretrainedReport:
    """Fill the stem and every stream of a net with the weights that its backbone names.

    Args:
        net: Net whose backbone has ``pretrained``.
        root: Data root; the file lies in its folder ``weights``.

    Raises:
        DataError: If the file is missing, has another content than the config says, or its keys or shapes do
            not fit the net; the net is unchanged then.
    """
    weights = net.backbone.pretrained
    assert weights is not None, "the backbone names weights"
    path = _path(weights, root)
    tensors = read_weights(path, weights.sha256)
    places = list(_places(net))
    unused = _unused(tensors, places, _keys_without_place(net))
    _refuse_misfit(path, type(net.backbone).__name__, tensors, places, unused)
    with torch.no_grad():
        for place in places:
            place.tensor.copy_(tensors[place.key])
    filled = {id(place.tensor) for place in places}
    fresh = tuple(
        name for name, tensor in (*net.named_parameters(), *net.named_buffers()) if id(tensor) not in filled
    )
    loaded = tuple(sorted({place.key for place in places}))
    return PretrainedReport(weights=weights, loaded=loaded, fresh=fresh, unused=tuple(unused))


def read_weights(path: Path, sha256: str) -> dict[str, Tensor]:
    """Tensors of a file whose content has a checksum.

    Args:
        path: A ``.safetensors`` file, or one that ``torch.save`` wrote.
        sha256: The checksum or its first digits.

    Raises:
        DataError: If the file cannot be read, is another one, or holds anything but named tensors.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}). {_how_to_get(path.name)}") from error
    found = hashlib.sha256(content).hexdigest()
    if not found.startswith(sha256):
        raise DataError(
            f"{path} has SHA-256 {found}, expected {sha256}{'...' if len(sha256) < 64 else ''}: it is "
            f"damaged or another file. {_how_to_get(path.name)}"
        )
    try:
        if path.suffix == ".safetensors":
            parsed = safetensors.torch.load(content)
        else:
            parsed = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # what a reader raises depends on the bytes that it finds
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{path} is not a file of tensors ({reason}); expected what torch.save makes of a state_dict, or "
            "safetensors."
        ) from error
    loaded: object = parsed
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise DataError(f"{path} holds a {type(loaded).__name__}; expected a state_dict: tensors by name.")
    return {str(key): value for key, value in loaded.items()}


@dataclass(frozen=True)
class _Place:
    """A tensor of the net and the key that fills it."""

    key: str
    tensor: Tensor


def _named(net: "AnchorNet") -> Iterator[tuple[str, nn.Module]]:
    """Modules that files of weights know, with the name that they have there."""
    for module in net.modules():
        if isinstance(module, Node):
            for ours, theirs in module.pretrained_names.items():
                yield theirs, module.get_submodule(ours)


def _places(net: "AnchorNet") -> Iterator[_Place]:
    for name, module in _named(net):
        for key, tensor in chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False)):
            yield _Place(f"{name}.{key}", tensor)


def _keys_without_place(net: "AnchorNet") -> set[str]:
    """Scale and shift in the file of normalisations that have none in the net."""
    without = [name for name, module in _named(net) if isinstance(module, Norm) and not module.affine]
    return {f"{name}.{key}" for name in without for key in ("weight", "bias")}


def _unused(tensors: Mapping[str, Tensor], places: list[_Place], without_place: set[str]) -> list[str]:
    taken = {place.key for place in places}
    return sorted(
        key
        for key in tensors
        if key not in taken
        and (key in without_place or key.startswith(_CLASSIFIERS) or key.endswith(_COUNTER))
    )


def _refuse_misfit(
    path: Path, backbone: str, tensors: Mapping[str, Tensor], places: list[_Place], unused: list[str]
) -> None:
    taken = {place.key: place.tensor.shape for place in places}
    problems = {
        "missing": [key for key in taken if key not in tensors],
        "unexpected": [key for key in tensors if key not in taken and key not in set(unused)],
        "of another shape": [
            f"{key} {tuple(tensors[key].shape)} for {tuple(shape)}"
            for key, shape in taken.items()
            if key in tensors and tensors[key].shape != shape
        ],
    }
    if any(problems.values()):
        told = "; ".join(f"{len(keys)} {what}: {_few(keys)}" for what, keys in problems.items() if keys)
        raise DataError(
            f"{path} does not fit {backbone}: {told}. Use a file in torchvision's layout for this backbone."
        )


def _few(keys: list[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")


def _path(weights: PretrainedWeights, root: Path | None) -> Path:
    if root is None:
        raise DataError(
            f"The backbone starts from {weights.file}, but there is no data root; name one with --data-root "
            f"or DYMU_DATA. {_how_to_get(weights.file)}"
        )
    return root / _FOLDER / weights.file


def _how_to_get(file: str) -> str:
    put = f"Put {file} into the folder {_FOLDER}/ of the data root"
    known = file in (MOBILENET_V2_OFFICIAL.file, RESNET34.file)
    return f"{put}; it is at {_OFFICIAL}{file}." if known else f"{put}."
