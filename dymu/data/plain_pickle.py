"""Arrays and plain containers out of a pickle, without running anything that it names.

The python layout of CIFAR-100 is a pickle, and a pickle may name any function to be called. Here three names
have a meaning (the array, its type, and text that stands for bytes), each played by a class of this file that
holds values and does nothing else; any other name is refused before anything is looked up.
"""

import pickle
import struct
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from dymu.errors import DataError

_TYPES = frozenset({"u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "b1"})
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")

# What reading a file that is cut, damaged or made with intent can end in.
_FAILURES = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    TypeError,
    ValueError,
    LookupError,
    ImportError,
    OverflowError,
    RecursionError,
    MemoryError,
    struct.error,
)


def read_plain_pickle(path: Path) -> Any:
    """The value in a pickle of containers, text, bytes, numbers, truth values, None and numpy arrays.

    Text written by Python 2 comes as bytes, as do the keys of dicts that it wrote.

    Raises:
        DataError: If the file names anything else, is cut or damaged; nothing of it has been run.
    """
    try:
        with path.open("rb") as file:
            return _plain(_PlainUnpickler(file, encoding="bytes").load())
    except _FAILURES as error:
        raise DataError(
            f"{path} cannot be read as arrays and plain containers ({type(error).__name__}: {error}); "
            "nothing in it was run. Get the file from its publisher again."
        ) from error


class _Stand:
    """Refuses every state, so that a pickle cannot change what stands for a name."""

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError(f"state for {type(self).__name__}")


class _Type:
    """Stands for ``numpy.dtype``; numbers alone."""

    def __init__(self, code: object, *rest: object) -> None:
        del rest
        text = code.decode("ascii") if isinstance(code, bytes) else code
        if not isinstance(text, str) or text not in _TYPES:
            raise pickle.UnpicklingError(f"an array of type {text!r}")
        self.code = text
        self.order = "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError(f"an array of byte order {order!r}")
        self.order = order


class _Array:
    """Stands for ``numpy.ndarray``; its content is read from the bytes of its state."""

    value: np.ndarray[Any, Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, content = state
        if not isinstance(kind, _Type) or not isinstance(content, bytes):
            raise pickle.UnpicklingError("an array whose content is not bytes")
        flat = np.frombuffer(content, dtype=np.dtype(kind.order + kind.code))
        self.value = flat.reshape(shape, order="F" if by_columns else "C")


class _Reconstruct(_Stand):
    """Stands for the function that numpy makes an empty array with."""

    def __call__(self, kind: object, shape: object, code: object) -> _Array:
        del shape, code
        if kind is not _Array:
            raise pickle.UnpicklingError("an array of another class")
        return _Array()


class _Encode(_Stand):
    """Stands for ``_codecs.encode``, by which Python 3 writes bytes for Python 2."""

    def __call__(self, text: str, encoding: str) -> bytes:
        if encoding not in ("latin1", b"latin1"):
            raise pickle.UnpicklingError(f"bytes in encoding {encoding!r}")
        return text.encode("latin1")


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "numpy", "ndarray":
                return _Array
            case "numpy", "dtype":
                return _Type
            case "_codecs", "encode":
                return _Encode()
            case _ if module in _MULTIARRAY and name == "_reconstruct":
                return _Reconstruct()
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: object) -> NoReturn:
        raise pickle.UnpicklingError(f"it refers to {pid!r} outside of the file")


def _plain(value: Any) -> Any:
    """The same value with arrays for what stands for them."""
    match value:
        case _Array(value=np.ndarray() as array):
            return array
        case dict():
            return {_plain(key): _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case tuple():
            return tuple(_plain(item) for item in value)
        case None | bool() | int() | float() | str() | bytes():
            return value
    raise pickle.UnpicklingError(f"a {type(value).__name__}")
