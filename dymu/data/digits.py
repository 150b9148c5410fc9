"""Two handwritten digits on one canvas: left digit, right digit, parity of their sum.

The source images are the 1797 digits of 8x8 pixels that scikit-learn ships (a copy of the test part of the
UCI set "Optical Recognition of Handwritten Digits"). They are divided first, class by class, and pairs are
built within a part, so no handwriting of the test split is seen in training. Left and right digit share
their features; the parity needs both digits and neither alone, so the tasks share and compete.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dymu.artifacts.config import check, config
from dymu.data.cache import IMAGES, Arrays, load_generated
from dymu.data.examples import DataPlace, Examples
from dymu.data.pixels import channel_statistics, standardised
from dymu.data.splits import Split
from dymu.errors import DataError
from dymu.spec.task import Task

DIGIT_SIZE = 8
NUM_DIGITS = 10
SOURCE_SHARE: Mapping[Split, float] = {Split.TRAIN: 0.6, Split.VAL: 0.15, Split.TEST: 0.25}

# Grey levels of bare paper and of full ink above it: noise has room on both sides.
_PAPER, _INK = 48, 160
_MAX_INK = 16.0


@config
class Digits:
    """Pairs of small handwritten digits.

    The left digit lies in the upper left corner and the right digit in the lower right corner; where they
    overlap, the darker ink counts. Images are grey levels, standardised with the training split.

    Attributes:
        num_train: Training pairs.
        num_val: Validation pairs.
        num_test: Test pairs.
        canvas: Height and width of an image; below 16 the corners overlap.
        seed: Chooses the division of the source images, the pairs and the noise.
        noise: Deviation of the noise, in units of full ink; without it the two digits are all but solved.
        parity_weight: Loss weight of the parity, whose cross-entropy has the smallest range of the three.
    """

    num_train: int = 3000
    num_val: int = 600
    num_test: int = 1000
    canvas: int = 14
    seed: int = 0
    noise: float = 0.12
    parity_weight: float = 3.0

    def __post_init__(self) -> None:
        for field in ("num_train", "num_val", "num_test"):
            check(getattr(self, field) > 0, self, field, "a positive number of pairs")
        check(DIGIT_SIZE < self.canvas <= 64, self, "canvas", f"between {DIGIT_SIZE + 1} and 64 pixels")
        check(self.seed >= 0, self, "seed", "a number that is not negative")
        check(0 <= self.noise <= 1, self, "noise", "between 0 and 1")
        check(self.parity_weight > 0, self, "parity_weight", "a positive number")

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Left digit, right digit, parity of the sum."""
        return (
            Task(name="left", kind="classification", num_outputs=NUM_DIGITS),
            Task(name="right", kind="classification", num_outputs=NUM_DIGITS),
            Task(name="parity", kind="classification", num_outputs=2, loss_weight=self.parity_weight),
        )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """One channel, height, width."""
        return 1, self.canvas, self.canvas

    def load(self, split: Split, place: DataPlace) -> Examples:
        """Examples of one split; see :func:`~dymu.data.cache.load_generated` for what it raises."""
        return load_generated(self, split, place, generate=self._generate)

    def _generate(self) -> dict[Split, Arrays]:
        images, labels = read_source()
        parts = divide_sources(labels, np.random.default_rng([self.seed, 0]))
        counts = {Split.TRAIN: self.num_train, Split.VAL: self.num_val, Split.TEST: self.num_test}
        pictures: dict[Split, NDArray[np.uint8]] = {}
        targets: dict[Split, Arrays] = {}
        for index, (split, count) in enumerate(counts.items()):
            rng = np.random.default_rng([self.seed, 1, index])
            pairs = draw_pairs(parts[split], count, rng)
            pictures[split] = scanned(paste(images[pairs], self.canvas), noise=self.noise, rng=rng)
            left, right = labels[pairs].T
            targets[split] = {"left": left, "right": right, "parity": (left + right) % 2}
        mean, deviation = channel_statistics(pictures[Split.TRAIN])
        return {
            split: {IMAGES: standardised(pictures[split], mean=mean, deviation=deviation), **targets[split]}
            for split in counts
        }


def read_source() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Images (1797, 8, 8) in [0, 1] and labels (1797,).

    Reads the file that scikit-learn carries without importing scikit-learn, which takes longer than
    generating the dataset.

    Raises:
        DataError: If scikit-learn or its file is missing.
    """
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise DataError("the digits dataset comes with scikit-learn, which is not installed; install it.")
    path = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if not path.exists():
        raise DataError(f"scikit-learn has no file {path}; install the version that the lock file names.")
    table = np.loadtxt(path, delimiter=",")
    images = table[:, :-1].reshape(-1, DIGIT_SIZE, DIGIT_SIZE) / _MAX_INK
    return images, table[:, -1].astype(np.int64)


def divide_sources(labels: NDArray[np.int64], rng: np.random.Generator) -> dict[Split, NDArray[np.int64]]:
    """Positions of the source images that belong to each split: disjoint, each class in its share."""
    parts: dict[Split, list[NDArray[np.int64]]] = {split: [] for split in SOURCE_SHARE}
    for digit in range(NUM_DIGITS):
        shuffled = rng.permutation(np.flatnonzero(labels == digit))
        ends = np.cumsum([round(share * len(shuffled)) for share in SOURCE_SHARE.values()])[:-1]
        for split, part in zip(SOURCE_SHARE, np.split(shuffled, ends), strict=True):
            parts[split].append(part)
    return {split: np.concatenate(of_digits) for split, of_digits in parts.items()}


def draw_pairs(sources: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(count, 2) source positions of left and right digit, drawn independently."""
    return sources[rng.integers(len(sources), size=(count, 2))]


def paste(digits: NDArray[np.float64], canvas: int) -> NDArray[np.float64]:
    """Paste pairs (n, 2, 8, 8) of digits into opposite corners of canvases (n, 1, canvas, canvas)."""
    out = np.zeros((len(digits), 1, canvas, canvas))
    out[:, 0, :DIGIT_SIZE, :DIGIT_SIZE] = digits[:, 0]
    corner = out[:, 0, -DIGIT_SIZE:, -DIGIT_SIZE:]
    np.maximum(corner, digits[:, 1], out=corner)
    return out


def scanned(ink: NDArray[np.float64], *, noise: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Grey levels of ink in [0, 1] with noise."""
    levels = _PAPER + _INK * (ink + noise * rng.standard_normal(ink.shape))
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)
