"""NYU-v2 in the layout NYUD_MT: indoor scenes with semantic classes, surface normals and depth.

Below ``NYUD_MT/`` lie ``images/ID.jpg``, ``segmentation/ID.png`` (0 unknown, class + 1 otherwise),
``normals/ID.npy`` (H, W, 3), ``depth/ID.npy`` (H, W) in metres, 0 where unknown, and the lists
``gt_sets/train.txt`` and ``gt_sets/val.txt``. Papers report on the second list: it is the test split here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dymu.artifacts.config import config
from dymu.data.cache import IMAGES
from dymu.data.decoded_writer import DecodedWriter
from dymu.data.dense_files import (
    BadFilesError,
    Pixels,
    read_array,
    read_image,
    read_labels,
    require_shape,
    resized_image,
    resized_nearest,
)
from dymu.data.dense_preparation import DensePreparation, Normalisation
from dymu.data.dense_source import decode_pictures, load_pictures, picture_files, scan_pictures
from dymu.data.dense_stored import check_pictures, stored_normals
from dymu.data.examples import DataPlace, Examples
from dymu.data.official import Finding, Scan, Tell
from dymu.data.splits import Split
from dymu.spec.task import IGNORED_CLASS, Task

FOLDER = "NYUD_MT"

# Beyond any room: a greater depth is in millimetres.
_FARTHEST = 100.0


@config
class NyuPictures:
    """What is decoded from the files, and how; see :class:`NYUv2` for the fields."""

    height: int
    width: int
    num_classes: int
    num_val: int
    num_train: int | None
    num_test: int | None

    @property
    def revision(self) -> int:
        """Of the decoded form."""
        return 1

    @property
    def train_list(self) -> str:
        """Path of the list of training pictures."""
        return f"{FOLDER}/gt_sets/train.txt"

    @property
    def test_list(self) -> str:
        """Path of the list of pictures that papers report on."""
        return f"{FOLDER}/gt_sets/val.txt"

    def files(self, root: Path) -> Sequence[str]:
        """Paths of all files that decoding reads."""
        return picture_files(self, root)

    def decode(self, root: Path, writer: DecodedWriter, tell: Tell) -> None:
        """Append the pictures of all splits."""
        decode_pictures(self, root, writer, tell)

    def paths(self, root: Path, name: str) -> tuple[str, ...]:
        """Paths of the four files of a picture."""
        del root
        return (
            f"{FOLDER}/images/{name}.jpg",
            f"{FOLDER}/segmentation/{name}.png",
            f"{FOLDER}/normals/{name}.npy",
            f"{FOLDER}/depth/{name}.npy",
        )

    def read(self, root: Path, name: str) -> Mapping[str, Pixels]:
        """Image and targets of a picture in stored form; see :mod:`~dymu.data.dense_stored`.

        Raises:
            BadFilesError: If a file is missing, damaged or does not fit the others.
        """
        image_path, classes_path, normals_path, depth_path = self.paths(root, name)
        image_HW3 = read_image(root, image_path)
        size = image_HW3.shape[:2]
        classes_HW = read_labels(root, classes_path)
        require_shape(classes_path, classes_HW, size)
        normals_HW3 = read_array(root, normals_path)
        require_shape(normals_path, normals_HW3, (*size, 3))
        depth_HW = read_array(root, depth_path)
        require_shape(depth_path, depth_HW, size)
        known_HW = stored_classes(classes_path, classes_HW, self.num_classes)
        metres_HW = stored_depth(depth_path, depth_HW)
        shape = self.height, self.width
        return {
            IMAGES: np.moveaxis(resized_image(image_HW3, shape), -1, 0),
            "segmentation": resized_nearest(known_HW, shape),
            "normals": stored_normals(resized_nearest(normals_HW3, shape)),
            "depth": resized_nearest(metres_HW, shape)[None],
        }


@config
class NYUv2:
    """NYU-v2 with three tasks; weights of the losses as in Appendix G.

    Validation pictures are held out of the training list by a digest of their names.

    Attributes:
        height: Rows of a picture; files of another size are resized, images bilinearly, targets to nearest.
        width: Columns of a picture.
        num_classes: Semantic classes: 40, or 13 where the files hold 1 to 13.
        num_val: Pictures of the training list that are held out.
        num_train: Training pictures, the first of the list that are not held out; ``None`` for all.
        num_test: Test pictures, the first of the list; ``None`` for all.
        scales: Scales that the augmentation chooses from; depth is divided by the scale.
        flip: Whether the augmentation mirrors every other picture.
        normalisation: How channels are brought to the range of networks.
    """

    height: int = 448
    width: int = 576
    num_classes: Literal[13, 40] = 40
    num_val: int = 95
    num_train: int | None = None
    num_test: int | None = None
    scales: tuple[float, ...] = (1.0, 1.2, 1.5)
    flip: bool = True
    normalisation: Normalisation = "imagenet"

    def __post_init__(self) -> None:
        check_pictures(self)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Semantic segmentation, surface normals, depth."""
        return (
            Task(name="segmentation", kind="segmentation", num_outputs=self.num_classes, loss_weight=1.0),
            Task(name="normals", kind="normals", num_outputs=3, loss_weight=10.0),
            Task(name="depth", kind="depth", num_outputs=1, loss_weight=3.0),
        )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Three channels, height, width."""
        return 3, self.height, self.width

    @property
    def how_to_get(self) -> str:
        """Where the data comes from and how it is laid out."""
        return (
            "Get NYUD_MT.tgz, the archive of multi-task NYU-v2 that github.com/SimonVandenhende/"
            "Multi-Task-Learning-PyTorch links to, and unpack it below the data root: NYUD_MT/images/ID.jpg, "
            "NYUD_MT/segmentation/ID.png, NYUD_MT/normals/ID.npy, NYUD_MT/depth/ID.npy, "
            "NYUD_MT/gt_sets/{train,val}.txt."
        )

    @property
    def pictures(self) -> NyuPictures:
        """What is decoded; augmentation and normalisation come after."""
        return NyuPictures(
            height=self.height,
            width=self.width,
            num_classes=self.num_classes,
            num_val=self.num_val,
            num_train=self.num_train,
            num_test=self.num_test,
        )

    @property
    def preparation(self) -> DensePreparation:
        """What makes decoded pictures ready."""
        return DensePreparation(
            kinds={task.name: task.kind for task in self.tasks},
            scales=self.scales,
            flip=self.flip,
            normalisation=self.normalisation,
        )

    def load(self, split: Split, place: DataPlace) -> Examples:
        """Examples of one split; see :func:`~dymu.data.dense_source.load_pictures` for what it raises."""
        return load_pictures(self, split, place, source=self.pictures, preparation=self.preparation)

    def scan(self, root: Path, tell: Tell) -> Scan:
        """Everything that is missing, damaged or out of range below ``root``."""
        return scan_pictures(self.pictures, root, tell)


def stored_classes(path: str, values_HW: Pixels, num_classes: int) -> NDArray[np.uint8]:
    """Class ids from values that are 0 where unknown and the class + 1 elsewhere.

    Raises:
        BadFilesError: If a value is beyond the last class.
    """
    low, high = int(values_HW.min()), int(values_HW.max())
    if low < 0 or high > num_classes:
        found = low if low < 0 else high
        problem = f"holds {found}, expected 0 (unknown) or a class from 1 to {num_classes}"
        raise BadFilesError(Finding(path, problem))
    return np.where(values_HW == 0, IGNORED_CLASS, values_HW.astype(np.int64) - 1).astype(np.uint8)


def stored_depth(path: str, metres_HW: Pixels) -> NDArray[np.float16]:
    """Depth with eleven binary digits, which is 4 mm at 10 m.

    Raises:
        BadFilesError: If a depth is negative or too large for metres.
    """
    low, high = float(metres_HW.min()), float(metres_HW.max())
    if low < 0 or high > _FARTHEST:
        found = low if low < 0 else high
        problem = f"holds a depth of {found:g}, expected metres from 0 (unknown) to {_FARTHEST:g}"
        raise BadFilesError(Finding(path, problem))
    return metres_HW.astype(np.float16)
