"""Writes tiny CIFAR-100 trees in both official layouts, the pickles byte for byte as Python 2 writes them."""

import pickle
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Fine label to coarse label, as published; two digits each.
COARSE_OF_FINE = np.frombuffer(
    bytes.fromhex(
        "04010e08000607071203030e0912070b0309070b060b050a07060d0f030f000b010a0c0e10090b05"
        "051308080f0d0e11120a100411040200110412110a03020c0c100c010913020a0001100c090d0f0d"
        "101302040613050508131201020f060011080e0d"
    ),
    dtype=np.uint8,
)


def records(per_class: int, seed: int) -> NDArray[np.uint8]:
    """Random pictures of every class in random order, (100 per_class, 3074)."""
    rng = np.random.default_rng(seed)
    fine = rng.permutation(np.repeat(np.arange(100, dtype=np.uint8), per_class))
    pixels = rng.integers(0, 256, size=(len(fine), 3072), dtype=np.uint8)
    return np.concatenate([COARSE_OF_FINE[fine][:, None], fine[:, None], pixels], axis=1)


def write_binary(root: Path, *, train_per_class: int = 6, test_per_class: int = 2) -> Path:
    """Write cifar-100-binary; the folder."""
    folder = root / "cifar-100-binary"
    folder.mkdir(parents=True)
    for name, per_class, seed in (("train", train_per_class, 1), ("test", test_per_class, 2)):
        (folder / f"{name}.bin").write_bytes(records(per_class, seed).tobytes())
    return folder


def write_python(root: Path, *, train_per_class: int = 6, test_per_class: int = 2) -> Path:
    """Write cifar-100-python with the pictures of :func:`write_binary`; the folder."""
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    for name, per_class, seed in (("train", train_per_class, 1), ("test", test_per_class, 2)):
        (folder / name).write_bytes(python2_pickle(records(per_class, seed), name))
    return folder


def python2_pickle(rows: NDArray[np.uint8], name: str) -> bytes:
    """What ``cPickle.dump(batch, file, 2)`` of Python 2 writes for a batch of the official layout."""
    return b"".join(
        [
            b"\x80\x02}(",
            text("filenames") + items([text(f"{index}.png") for index in range(len(rows))]),
            text("batch_label") + text(f"{name} batch 1 of 1"),
            text("fine_labels") + items([number(each) for each in rows[:, 1]]),
            text("coarse_labels") + items([number(each) for each in rows[:, 0]]),
            text("data") + array(rows[:, 2:]),
            b"u.",
        ]
    )


def text(value: str) -> bytes:
    return b"U" + bytes([len(value)]) + value.encode("ascii")


def number(value: int) -> bytes:
    return b"K" + bytes([value])


def items(written: list[bytes]) -> bytes:
    return b"](" + b"".join(written) + b"e"


def array(values: NDArray[np.uint8]) -> bytes:
    raw = np.ascontiguousarray(values).tobytes()
    dtype = (
        b"cnumpy\ndtype\n"
        + text("u1")
        + b"K\x00K\x01\x87R(K\x03"
        + text("|")
        + b"NNN"
        + 2 * minus_one()
        + b"K\x00tb"
    )
    shape = b"".join(b"J" + struct.pack("<i", size) for size in values.shape) + b"\x86"
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
        + text("b")
        + b"\x87R(K\x01"
        + shape
        + dtype
        + b"\x89T"
        + struct.pack("<i", len(raw))
        + raw
        + b"tb"
    )


def minus_one() -> bytes:
    return b"J" + struct.pack("<i", -1)


def python3_pickle(rows: NDArray[np.uint8], protocol: int) -> bytes:
    """The same batch as written by Python 3."""
    batch = {
        "fine_labels": rows[:, 1].tolist(),
        "coarse_labels": rows[:, 0].tolist(),
        "data": np.ascontiguousarray(rows[:, 2:]),
    }
    return pickle.dumps(batch, protocol)
