"""Two MNIST digits on one canvas: which is on the left, which on the right.

MultiMNIST-style, not the original: the files that multi-objective papers share (the idea is that of Sabour et
al. 2017) come without the program that made them. Here 28x28 digits lie at offsets 0 and 8 of a 36x36 canvas
and the brighter pixel counts. Figures compare methods on this data, not with published ones.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dymu.artifacts.config import check, config
from dymu.data.cache import IMAGES
from dymu.data.crop_flip import Standardised
from dymu.data.decoded import load_decoded
from dymu.data.decoded_writer import DecodedWriter
from dymu.data.examples import DataPlace, Examples
from dymu.data.idx import read_idx
from dymu.data.official import Finding, Scan, Tell, file_findings, refuse, require_root
from dymu.data.splits import Split
from dymu.errors import DataError
from dymu.spec.task import Task

FOLDER = "mnist"
DIGIT_SIZE = 28
CANVAS = 36
NUM_DIGITS = 10

# Of the digits of the official training part, those that validation pairs are made of.
VAL_SHARE = 0.1

# Grey levels of the default training split.
PIXELS = Standardised(mean=(38.692,), deviation=(83.760,))

_OFFICIAL_COUNTS = {"train": 60000, "t10k": 10000}
_AT_ONCE = 1000


@config
class MultiMNIST:
    """Pairs of overlapping handwritten digits, made from the official MNIST files.

    The left digit lies in the upper left corner, the right digit in the lower right. Training and validation
    pairs are made of disjoint nine tenths and one tenth of the official training digits, test pairs of the
    official test digits. Every digit is used equally often on each side, to within one.

    Attributes:
        num_train: Training pairs.
        num_val: Validation pairs.
        num_test: Test pairs.
        seed: Chooses the division of the training digits and the pairs.
    """

    num_train: int = 60000
    num_val: int = 6000
    num_test: int = 10000
    seed: int = 0

    def __post_init__(self) -> None:
        for field in ("num_train", "num_val", "num_test"):
            check(getattr(self, field) > 0, self, field, "a positive number of pairs")
        check(self.seed >= 0, self, "seed", "a number that is not negative")

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Left digit, right digit."""
        return (
            Task(name="left", kind="classification", num_outputs=NUM_DIGITS),
            Task(name="right", kind="classification", num_outputs=NUM_DIGITS),
        )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """One channel, height, width."""
        return 1, CANVAS, CANVAS

    @property
    def how_to_get(self) -> str:
        """Where the data comes from."""
        return (
            f"`dymu data fetch mnist` downloads it. Below the root lies {FOLDER}/ with the four unpacked "
            "files of MNIST: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
            "t10k-labels-idx1-ubyte."
        )

    def scan(self, root: Path, tell: Tell) -> Scan:
        """Sizes, shapes and labels of the four files."""
        counts: dict[str, int] = {}
        findings: list[Finding] = []
        for done, part in enumerate(_OFFICIAL_COUNTS):
            found = [finding for name in _names(part) for finding in file_findings(root, name)]
            if not found:
                found, count = _part_findings(root, part)
                counts[part] = count
            findings += found
            tell(done + 1, len(_OFFICIAL_COUNTS))
        return Scan(counts, tuple(findings))

    def load(self, split: Split, place: DataPlace) -> Examples:
        """Pairs with images (n, 1, 36, 36) uint8 and targets (n,); prepared as batches.

        Raises:
            CorruptArtifactError: If the cached pairs do not match their header.
            DataError: If the digits are missing or damaged.
            StoreError: If the disk refuses.
        """
        root = require_root(place.root, self)
        missing = [finding for name in self.files(root) for finding in file_findings(root, name)]
        refuse(Scan({}, tuple(missing)), self, root)
        return load_decoded(self, split, place, source=self, preparation=PIXELS)

    @property
    def revision(self) -> int:
        """Of the pairs; this config is the source of its own data."""
        return 1

    def files(self, root: Path) -> Sequence[str]:
        """The four files of MNIST."""
        del root
        return [name for part in _OFFICIAL_COUNTS for name in _names(part)]

    def decode(self, root: Path, writer: DecodedWriter, tell: Tell) -> None:
        """Write images and both digits of every split.

        Raises:
            DataError: If a file is damaged, or there are too few digits to divide.
        """
        held = {part: read_digits(root, part) for part in _OFFICIAL_COUNTS}
        train, val = divide(len(held["train"][1]), np.random.default_rng([self.seed, 0]))
        if not len(val):
            raise DataError(f"the training files of {root / FOLDER} hold too few digits. {self.how_to_get}")
        parts = {
            Split.TRAIN: ("train", train, self.num_train),
            Split.VAL: ("train", val, self.num_val),
            Split.TEST: ("t10k", np.arange(len(held["t10k"][1])), self.num_test),
        }
        for done, (split, (part, sources, count)) in enumerate(parts.items()):
            images, labels = held[part]
            pairs = draw_pairs(sources, count, np.random.default_rng([self.seed, 1, done]))
            for start in range(0, count, _AT_ONCE):
                own = pairs[start : start + _AT_ONCE]
                writer.append(split, {IMAGES: paste(images[own]), **targets_of(labels[own])})
            tell(done + 1, len(parts))


def _names(part: str) -> tuple[str, str]:
    return f"{FOLDER}/{part}-images-idx3-ubyte", f"{FOLDER}/{part}-labels-idx1-ubyte"


def read_digits(root: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (n, 28, 28) and labels (n,) of a part of MNIST.

    Raises:
        DataError: If a file is damaged, of another shape or type, or a label is no digit.
    """
    images_name, labels_name = _names(part)
    images, labels = read_idx(root / images_name), read_idx(root / labels_name)
    if images.dtype != np.uint8 or images.shape[1:] != (DIGIT_SIZE, DIGIT_SIZE) or len(images) == 0:
        raise DataError(f"{root / images_name} holds {images.dtype} {images.shape}, not uint8 (n, 28, 28).")
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise DataError(
            f"{root / labels_name} holds {labels.dtype} {labels.shape}, not uint8 ({len(images)},), one "
            "label per image."
        )
    if labels.max() >= NUM_DIGITS:
        where = labels.argmax()
        raise DataError(f"{root / labels_name} has label {labels[where]} at {where}, expected 0 to 9.")
    return images, labels


def _part_findings(root: Path, part: str) -> tuple[list[Finding], int]:
    """What is wrong with a part whose files are there, and how many digits it has."""
    try:
        count = len(read_digits(root, part)[1])
    except DataError as error:
        name = next((name for name in _names(part) if str(error).startswith(f"{root / name} ")), FOLDER)
        return [Finding(name, str(error).removeprefix(f"{root / name} "))], 0
    if count != _OFFICIAL_COUNTS[part]:
        return [Finding(_names(part)[0], f"has {count} digits, not {_OFFICIAL_COUNTS[part]}")], count
    return [], count


def divide(count: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the digits for training and for validation pairs; disjoint."""
    shuffled = rng.permutation(count)
    num_val = round(VAL_SHARE * count)
    return shuffled[num_val:], shuffled[:num_val]


def draw_pairs(sources: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(count, 2) positions of left and right digit, each side one shuffle of all sources after another."""
    rounds = -(-count // len(sources))
    sides = [np.concatenate([rng.permutation(sources) for _ in range(rounds)])[:count] for _ in range(2)]
    return np.stack(sides, axis=1)


def paste(digits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Paste pairs (n, 2, 28, 28) into opposite corners of canvases (n, 1, 36, 36); brighter pixels win."""
    out = np.zeros((len(digits), 1, CANVAS, CANVAS), dtype=np.uint8)
    out[:, 0, :DIGIT_SIZE, :DIGIT_SIZE] = digits[:, 0]
    corner = out[:, 0, -DIGIT_SIZE:, -DIGIT_SIZE:]
    np.maximum(corner, digits[:, 1], out=corner)
    return out


def targets_of(labels: NDArray[np.uint8]) -> Mapping[str, NDArray[np.int64]]:
    """Targets of pairs of labels (n, 2)."""
    return {"left": labels[:, 0].astype(np.int64), "right": labels[:, 1].astype(np.int64)}
