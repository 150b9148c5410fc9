"""The two official layouts of CIFAR-100, and the joint examples of twenty tasks that are made of them.

https://www.cs.toronto.edu/~kriz/cifar.html. A record is one byte of coarse label, one of fine label and the
3072 pixels of a picture, channel by channel and row by row.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dymu.artifacts.config import check, config
from dymu.data.cache import IMAGES
from dymu.data.decoded_writer import DecodedWriter
from dymu.data.official import Finding, Scan, Tell, file_findings
from dymu.data.plain_pickle import read_plain_pickle
from dymu.data.splits import Split
from dymu.errors import DataError

SIZE = 32
RECORD_BYTES = 2 + 3 * SIZE * SIZE
NUM_FINE = 100
CLASSES_PER_TASK = 5

COARSE_LABELS = (
    "aquatic_mammals",
    "fish",
    "flowers",
    "food_containers",
    "fruit_and_vegetables",
    "household_electrical_devices",
    "household_furniture",
    "insects",
    "large_carnivores",
    "large_man-made_outdoor_things",
    "large_natural_outdoor_scenes",
    "large_omnivores_and_herbivores",
    "medium_mammals",
    "non-insect_invertebrates",
    "people",
    "reptiles",
    "small_mammals",
    "trees",
    "vehicles_1",
    "vehicles_2",
)

HOW_TO_GET = (
    "`dymu data fetch cifar100` downloads it from https://www.cs.toronto.edu/~kriz/cifar.html. Below the "
    "root lies cifar-100-binary/ with train.bin and test.bin, or cifar-100-python/ with train and test."
)

_AT_ONCE = 50


@dataclass(frozen=True)
class OfficialFile:
    """One file of a layout.

    Attributes:
        path: Below the data root.
        count: Pictures in it.
        size: Bytes, where the publisher's are known.
        algorithm: Of the checksum.
        checksum: Hexadecimal.
    """

    path: str
    count: int
    size: int | None
    algorithm: str
    checksum: str


BINARY = {
    Split.TRAIN: OfficialFile(
        "cifar-100-binary/train.bin", 50000, 153700000, "sha1", "e207cd2e05b73b1393c74c7f5e7bea451d63e08e"
    ),
    Split.TEST: OfficialFile(
        "cifar-100-binary/test.bin", 10000, 30740000, "sha1", "8fb6623e830365ff53cf14adec797474f5478006"
    ),
}
PYTHON = {
    Split.TRAIN: OfficialFile(
        "cifar-100-python/train", 50000, None, "md5", "16019d7e3df5f24257cddd939b257f8d"
    ),
    Split.TEST: OfficialFile("cifar-100-python/test", 10000, None, "md5", "f0ef6b0ae62326f3e7ffdfab6717acfc"),
}


@config
class CIFAR100Files:
    """Decodes either layout to joint examples: example k holds picture k of each of the twenty tasks.

    The order within a task is a shuffle in which every five consecutive pictures are of five classes, so any
    part of whole fives has equally many of each class. Splits: the official training and test part.

    Attributes:
        seed: Chooses the order.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        check(self.seed >= 0, self, "seed", "a number that is not negative")

    @property
    def revision(self) -> int:
        """Of the decoded arrays."""
        return 1

    def files(self, root: Path) -> Sequence[str]:
        """The two files of the layout that is there; of the binary one if both or none are."""
        return [file.path for file in layout_below(root).values()]

    def decode(self, root: Path, writer: DecodedWriter, tell: Tell) -> None:
        """Write images (n, 20, 3, 32, 32) uint8 and a class (n,) int64 per task.

        Raises:
            DataError: If a file is damaged.
        """
        layout = layout_below(root)
        for done, (split, file) in enumerate(layout.items()):
            records = read_records(root, file)
            problems = [finding.problem for finding in label_findings(file, records)]
            if problems:
                raise DataError(f"{root / file.path} {'; '.join(problems[:5])}. {HOW_TO_GET}")
            rng = np.random.default_rng([self.seed, done])
            fine_PK, order_KP = task_order(records[:, 0], records[:, 1], rng)
            for start in range(0, len(order_KP), _AT_ONCE):
                part_KP = order_KP[start : start + _AT_ONCE]
                images = records[part_KP, 2:].reshape(*part_KP.shape, 3, SIZE, SIZE)
                classes_KP = [
                    np.searchsorted(fine_PK[task], records[part_KP[:, task], 1]).astype(np.int64)
                    for task in range(len(COARSE_LABELS))
                ]
                writer.append(split, {IMAGES: images, **dict(zip(COARSE_LABELS, classes_KP, strict=True))})
            tell(done + 1, len(layout))


def layout_below(root: Path) -> dict[Split, OfficialFile]:
    """The layout that is there; the binary one if both or none are."""
    only_python = (root / "cifar-100-python").is_dir() and not (root / "cifar-100-binary").is_dir()
    return PYTHON if only_python else BINARY


def missing_files(root: Path) -> Scan:
    """Which files are missing or empty; reads none."""
    return Scan({}, tuple(chain(*(file_findings(root, file.path) for file in layout_below(root).values()))))


def read_records(root: Path, file: OfficialFile) -> NDArray[np.uint8]:
    """Records (n, 3074) of a file: coarse label, fine label, pixels.

    Raises:
        DataError: If it does not hold whole records.
    """
    path = root / file.path
    if file.path in {each.path for each in BINARY.values()}:
        size = path.stat().st_size
        if size == 0 or size % RECORD_BYTES:
            raise DataError(
                f"{path} has {size} bytes, which are no whole records of {RECORD_BYTES} bytes. {HOW_TO_GET}"
            )
        return np.memmap(path, dtype=np.uint8, mode="r").reshape(-1, RECORD_BYTES)
    return _records_of_pickle(path)


def _records_of_pickle(path: Path) -> NDArray[np.uint8]:
    held = read_plain_pickle(path)
    if not isinstance(held, dict):
        raise DataError(f"{path} holds a {type(held).__name__}, not a dict of arrays. {HOW_TO_GET}")
    named = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in held.items()}
    missing = {"data", "coarse_labels", "fine_labels"} - named.keys()
    if missing:
        raise DataError(f"{path} lacks {', '.join(sorted(missing))}. {HOW_TO_GET}")
    data = named["data"]
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (RECORD_BYTES - 2,):
        what = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DataError(f"{path} has data {what}, not uint8 (n, {RECORD_BYTES - 2}). {HOW_TO_GET}")
    labels = [_labels(path, named[name], len(data)) for name in ("coarse_labels", "fine_labels")]
    return np.concatenate([*labels, data], axis=1)


def _labels(path: Path, labels: object, count: int) -> NDArray[np.uint8]:
    are_numbers = isinstance(labels, list) and all(
        isinstance(each, int) and 0 <= each < 256 for each in labels
    )
    if not isinstance(labels, list) or not are_numbers or not 0 < len(labels) == count:
        raise DataError(f"{path} has labels that are no list of {count} numbers from 0 to 255. {HOW_TO_GET}")
    return np.array(labels, dtype=np.uint8)[:, None]


def label_findings(file: OfficialFile, records: NDArray[np.uint8]) -> tuple[Finding, ...]:
    """What is wrong with the labels: out of range, no five classes a task, classes of different size."""
    coarse, fine = records[:, 0], records[:, 1]
    problems = [
        f"has {kind} label {labels.max()} in record {labels.argmax()}, expected 0 to {count - 1}"
        for kind, labels, count in (("coarse", coarse, len(COARSE_LABELS)), ("fine", fine, NUM_FINE))
        if labels.max() >= count
    ]
    if problems:
        return tuple(Finding(file.path, problem) for problem in problems)
    counts = np.bincount(fine, minlength=NUM_FINE)
    if counts.min() != counts.max():
        problems.append(
            f"has {counts.min()} pictures of class {counts.argmin()} and {counts.max()} of class "
            f"{counts.argmax()}; all classes have equally many"
        )
    for task, name in enumerate(COARSE_LABELS):
        classes = len(np.unique(fine[coarse == task]))
        if classes != CLASSES_PER_TASK:
            problems.append(f"has {classes} classes of {name}, not {CLASSES_PER_TASK}")
    return tuple(Finding(file.path, problem) for problem in problems)


def task_order(
    coarse: NDArray[np.uint8], fine: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Fine labels (20, 5) of each task in rising order, and (n, 20) positions of its pictures."""
    classes, orders = [], []
    for task in range(len(COARSE_LABELS)):
        own = np.unique(fine[coarse == task])
        by_class_KC = np.stack([rng.permutation(np.flatnonzero(fine == label)) for label in own], axis=1)
        classes.append(own)
        orders.append(rng.permuted(by_class_KC, axis=1).reshape(-1))
    return np.stack(classes), np.stack(orders, axis=1)


def scan_files(root: Path, tell: Tell) -> Scan:
    """Sizes, checksums and labels of the layout that is there."""
    counts, findings = {}, []
    layout = layout_below(root)
    for done, (split, file) in enumerate(layout.items()):
        found = list(file_findings(root, file.path, size=file.size))
        if (root / file.path).is_file():
            try:
                records = read_records(root, file)
            except DataError as error:
                problem = str(error).removeprefix(f"{root / file.path} ").removesuffix(f" {HOW_TO_GET}")
                found = found or [Finding(file.path, problem)]
            else:
                counts[split.value] = len(records)
                found += label_findings(file, records)
            found += _checksum_findings(root, file) if not found else []
        findings += found
        tell(done + 1, len(layout))
    return Scan(counts, tuple(findings))


def _checksum_findings(root: Path, file: OfficialFile) -> list[Finding]:
    with (root / file.path).open("rb") as content:
        checksum = hashlib.file_digest(
            content, lambda: hashlib.new(file.algorithm, usedforsecurity=False)
        ).hexdigest()
    if checksum == file.checksum:
        return []
    problem = f"has {file.algorithm.upper()} {checksum}, not the publisher's {file.checksum}"
    return [Finding(file.path, problem)]
