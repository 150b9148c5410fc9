"""Files of datasets with dense targets: pictures, label maps, arrays and MATLAB files, checked on reading.

Every reader takes the data root and a path below it, so that a fault names the file as a user sees it.
"""

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dymu.data.official import Finding, file_findings
from dymu.errors import DataError

Pixels = NDArray[Any]

T = TypeVar("T")

# Modes of pictures that hold one whole number per pixel; of a palette the index counts.
_LABEL_MODES = frozenset({"1", "L", "P", "I", "I;16", "I;16B"})

# What Pillow, NumPy and SciPy raise at a file that is damaged or is something else.
_DAMAGE = (OSError, ValueError, TypeError, LookupError, SyntaxError, EOFError, ArithmeticError, RuntimeError)


class BadFilesError(DataError):
    """Files that are missing, damaged, or not what their places say.

    Attributes:
        findings: The files and what is the matter, for a scan or a refusal.
    """

    def __init__(self, *findings: Finding) -> None:
        super().__init__("; ".join(f"{finding.path}: {finding.problem}" for finding in findings))
        self.findings = findings


def read_names(root: Path, path: str) -> tuple[str, ...]:
    """Names that a list holds, one a line, in order.

    Raises:
        BadFilesError: If the file is missing, is no text, holds no name or a name twice.
    """
    text = _read(root, path, lambda file: file.read_text(encoding="utf-8"))
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not names:
        raise BadFilesError(Finding(path, "holds no names"))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadFilesError(Finding(path, f"holds {twice!r} twice"))
    return names


def read_image(root: Path, path: str) -> NDArray[np.uint8]:
    """(H, W, 3) colours of a picture.

    Raises:
        BadFilesError: If it is missing or cannot be decoded to its end.
    """

    def decode(file: Path) -> NDArray[np.uint8]:
        with Image.open(file) as image:
            return np.asarray(image.convert("RGB"))

    return _read(root, path, decode)


def read_labels(root: Path, path: str) -> Pixels:
    """(H, W) whole numbers of a picture: grey levels, or indices of a palette.

    Raises:
        BadFilesError: If it is missing, cannot be decoded to its end, or has several channels.
    """

    def decode(file: Path) -> tuple[str, Pixels]:
        with Image.open(file) as image:
            return image.mode, np.asarray(image)

    mode, labels = _read(root, path, decode)
    if mode not in _LABEL_MODES:
        raise BadFilesError(Finding(path, f"is a picture of mode {mode}, expected one channel"))
    return labels.astype(np.uint8) if labels.dtype == np.bool_ else labels


def read_array(root: Path, path: str) -> Pixels:
    """The numbers of an .npy file.

    Raises:
        BadFilesError: If it is missing, truncated or no .npy file, or holds anything but finite numbers.
    """

    def load(file: Path) -> Any:
        return np.load(file, allow_pickle=False)

    array = _read(root, path, load)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise BadFilesError(Finding(path, "holds no array of numbers"))
    if not np.isfinite(array).all():
        raise BadFilesError(Finding(path, "holds numbers that are not finite"))
    return array


def read_matlab(root: Path, path: str, name: str) -> Any:
    """One variable of a MATLAB file up to version 7.

    Raises:
        BadFilesError: If the file is missing or damaged, or has no such variable.
    """
    from scipy.io import loadmat  # noqa: PLC0415 - takes as long to import as all else that reads files

    found = _read(root, path, lambda file: loadmat(str(file), variable_names=[name]))
    if name not in found:
        raise BadFilesError(Finding(path, f"has no variable {name!r}"))
    return found[name]


def require_shape(path: str, array: Pixels, shape: tuple[int, ...]) -> None:
    """Refuse an array that does not fit its picture.

    Raises:
        BadFilesError: If the shape is another.
    """
    if array.shape != shape:
        raise BadFilesError(Finding(path, f"has shape {array.shape}, expected {shape} as its picture has"))


def resized_image(image_HW3: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture of another height and width, bilinear; where it shrinks, over all pixels that it covers."""
    if image_HW3.shape[:2] == shape:
        return image_HW3
    height, width = shape
    return np.asarray(Image.fromarray(image_HW3).resize((width, height), Image.Resampling.BILINEAR))


def resized_nearest(map_HW: Pixels, shape: tuple[int, int]) -> Pixels:
    """A map (H, W) or (H, W, C) of another height and width; a pixel gets the value at its centre."""
    rows, columns = (
        (np.arange(wanted) * 2 + 1) * found // (2 * wanted)
        for wanted, found in zip(shape, map_HW.shape[:2], strict=True)
    )
    return map_HW[rows[:, None], columns]


def _read(root: Path, path: str, load: Callable[[Path], T]) -> T:
    findings = file_findings(root, path)
    if findings:
        raise BadFilesError(*findings)
    try:
        return load(root / path)
    except (*_DAMAGE, zlib.error, zipfile.BadZipFile) as error:
        raise BadFilesError(Finding(path, f"cannot be read ({type(error).__name__}: {error})")) from error
