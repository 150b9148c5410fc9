"""CIFAR-100 as twenty five-way classification tasks, each with pictures of its own.

Every coarse label is a task, its five fine labels are the classes (Rosenbaum et al., Routing Networks). No
picture belongs to two tasks, so a joint example holds one picture of each task.
"""

from pathlib import Path

from dymu.artifacts.config import check, config
from dymu.artifacts.fingerprint import digest_of_form
from dymu.data.cifar100_files import (
    CLASSES_PER_TASK,
    COARSE_LABELS,
    HOW_TO_GET,
    SIZE,
    CIFAR100Files,
    missing_files,
    scan_files,
)
from dymu.data.crop_flip import CropFlip, Padding, Standardised
from dymu.data.decoded import load_decoded
from dymu.data.examples import DataPlace, Examples, Preparation
from dymu.data.official import Scan, Tell, refuse, require_root
from dymu.data.splits import Split
from dymu.errors import DataError
from dymu.spec.task import Task

# Pictures of a task in the official training and test part.
TRAIN_PER_TASK = 2500
TEST_PER_TASK = 500

# Of the pixels of the official training part, per channel.
PIXELS = Standardised(mean=(129.304, 124.070, 112.434), deviation=(68.170, 65.392, 70.418))


@config
class CIFAR100:
    """Twenty tasks of five classes.

    Counts are pictures per task. The validation pictures are held out of the official training part, the same
    ones for every ``num_train``, and any count that is a multiple of five has equally many of each class.

    Attributes:
        num_train: Training pictures per task; ``None`` for all that are not held out.
        num_val: Validation pictures per task; the paper holds none out.
        num_test: Test pictures per task; ``None`` for all 500.
        augmentation: Whether training pictures are cropped and flipped.
        padding: What the crop pulls in at the edges.
        seed: Chooses the hold-out and the order of pictures.
    """

    num_train: int | None = None
    num_val: int = 250
    num_test: int | None = None
    augmentation: bool = True
    padding: Padding = "zero"
    seed: int = 0

    def __post_init__(self) -> None:
        rest = TRAIN_PER_TASK - self.num_val
        check(
            0 < self.num_val < TRAIN_PER_TASK, self, "num_val", f"between 1 and {TRAIN_PER_TASK - 1} pictures"
        )
        check(self.num_train is None or 0 < self.num_train <= rest, self, "num_train", f"None or 1 to {rest}")
        check(
            self.num_test is None or 0 < self.num_test <= TEST_PER_TASK,
            self,
            "num_test",
            f"None or 1 to {TEST_PER_TASK}",
        )
        check(self.seed >= 0, self, "seed", "a number that is not negative")

    @property
    def tasks(self) -> tuple[Task, ...]:
        """One per coarse label, in its order."""
        return tuple(
            Task(name=name, kind="classification", num_outputs=CLASSES_PER_TASK) for name in COARSE_LABELS
        )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Three channels, height, width; of one picture."""
        return 3, SIZE, SIZE

    @property
    def how_to_get(self) -> str:
        """Where the data comes from."""
        return HOW_TO_GET

    def scan(self, root: Path, tell: Tell) -> Scan:
        """Compare sizes, checksums and labels with the publisher's; unpickles nothing but arrays."""
        return scan_files(root, tell)

    def load(self, split: Split, place: DataPlace) -> Examples:
        """Joint examples with images (n, 20, 3, 32, 32) uint8 and targets (n,); prepared as batches.

        Raises:
            CorruptArtifactError: If the decoded data does not match its header.
            DataError: If the data is missing or damaged, or has too few pictures.
            StoreError: If the disk refuses.
        """
        root = require_root(place.root, self)
        refuse(missing_files(root), self, root)
        held = Split.TEST if split is Split.TEST else Split.TRAIN
        examples = load_decoded(
            self, held, place, source=CIFAR100Files(seed=self.seed), preparation=self._preparation()
        )
        return self._part(examples, split)

    def _preparation(self) -> Preparation:
        if self.augmentation:
            return CropFlip(pixels=PIXELS, num_inputs=len(COARSE_LABELS), padding=self.padding)
        return PIXELS

    def _part(self, examples: Examples, split: Split) -> Examples:
        count = len(examples)
        rest = count - self.num_val
        start, stop, room = {
            Split.TRAIN: (0, rest if self.num_train is None else self.num_train, rest),
            Split.VAL: (rest, count, count),
            Split.TEST: (0, count if self.num_test is None else self.num_test, count),
        }[split]
        if not 0 <= start < stop <= room:
            raise DataError(
                f"the data has {count} pictures per task where {split.value} pictures come from: too few for "
                f"{self}; ask for fewer, or get the whole data. {self.how_to_get}"
            )
        return Examples(
            images=examples.images[start:stop],
            targets={name: target[start:stop] for name, target in examples.targets.items()},
            digest=digest_of_form([examples.digest, self.num_train, self.num_val, self.num_test]),
            preparation=examples.preparation,
        )
