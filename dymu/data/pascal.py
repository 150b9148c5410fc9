"""PASCAL-Context in the layout PASCAL_MT: segmentation, human parts, saliency, normals and edges.

Below ``PASCAL_MT/`` lie ``JPEGImages/ID.jpg``; ``semseg/VOC12/ID.png``, or ``semseg/pascal-context/ID.png``
where there is none, with 21 classes and 255 where unknown; ``human_parts/ID.mat`` of PASCAL-Part;
``sal_distill/ID.png``, a saliency in 0..255; ``normals_distill/ID.png``, normals as colours;
``pascal-context/trainval/ID.mat``, the label map that edges come from; and the lists
``ImageSets/Context/train.txt`` and ``val.txt``. Papers report on the second list: it is the test split here.
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
    read_image,
    read_labels,
    read_matlab,
    require_shape,
    resized_image,
    resized_nearest,
)
from dymu.data.dense_preparation import DensePreparation, Normalisation
from dymu.data.dense_source import decode_pictures, load_pictures, picture_files, scan_pictures
from dymu.data.dense_stored import SIZES, check_pictures, padded, stored_normals
from dymu.data.examples import DataPlace, Examples
from dymu.data.official import Finding, Scan, Tell
from dymu.data.pascal_labels import NUM_CONTEXT_CLASSES, known_normals, label_edges, part_classes
from dymu.data.splits import Split
from dymu.spec.task import IGNORED_CLASS, Task

FOLDER = "PASCAL_MT"

NUM_CLASSES = 21
NUM_PARTS = 7

# Share of the loss that edges have: few pixels are edges.
EDGE_WEIGHT = 0.95

# What is stored beyond a picture; never seen, the preparation knows the size of the picture.
_BEYOND = 128


@config
class PascalPictures:
    """What is decoded from the files, and how; see :class:`PASCAL` for the fields."""

    height: int
    width: int
    num_tasks: Literal[3, 5]
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
        return f"{FOLDER}/ImageSets/Context/train.txt"

    @property
    def test_list(self) -> str:
        """Path of the list of pictures that papers report on."""
        return f"{FOLDER}/ImageSets/Context/val.txt"

    def files(self, root: Path) -> Sequence[str]:
        """Paths of all files that decoding reads."""
        return picture_files(self, root)

    def decode(self, root: Path, writer: DecodedWriter, tell: Tell) -> None:
        """Append the pictures of all splits."""
        decode_pictures(self, root, writer, tell)

    def paths(self, root: Path, name: str) -> tuple[str, ...]:
        """Paths of the files of a picture; three tasks need neither normals nor the label map."""
        classes = f"{FOLDER}/semseg/VOC12/{name}.png"
        if not (root / classes).exists():
            classes = f"{FOLDER}/semseg/pascal-context/{name}.png"
        three = (
            f"{FOLDER}/JPEGImages/{name}.jpg",
            classes,
            f"{FOLDER}/human_parts/{name}.mat",
            f"{FOLDER}/sal_distill/{name}.png",
        )
        if self.num_tasks == 3:
            return three
        return (
            *three,
            f"{FOLDER}/normals_distill/{name}.png",
            f"{FOLDER}/pascal-context/trainval/{name}.mat",
        )

    def read(self, root: Path, name: str) -> Mapping[str, Pixels]:
        """Image and targets of a picture in stored form; see :mod:`~dymu.data.dense_stored`.

        Raises:
            BadFilesError: If a file is missing, damaged or does not fit the others.
        """
        image_path, classes_path, parts_path, saliency_path, *more = self.paths(root, name)
        image_HW3 = read_image(root, image_path)
        size = image_HW3.shape[0], image_HW3.shape[1]
        shape = fitted(size, (self.height, self.width))
        classes_HW = _labels(root, classes_path, size)
        _require_classes(classes_path, classes_HW[classes_HW != IGNORED_CLASS], NUM_CLASSES)
        parts_HW = part_classes(parts_path, read_matlab(root, parts_path, "anno"), size)
        salient_HW = _labels(root, saliency_path, size) > 255 / 2
        stored: dict[str, Pixels] = {
            "segmentation": resized_nearest(classes_HW.astype(np.uint8), shape),
            "parts": resized_nearest(parts_HW, shape),
            "saliency": resized_nearest(salient_HW.astype(np.uint8), shape)[None],
        }
        normals_HW3 = np.zeros((*shape, 3), np.float32)
        if more:
            normals_HW3, stored["edges"] = _geometry(root, more[0], more[1], shape=shape, size=size)
        room = self.height, self.width
        arrays = {key: padded(array, room, IGNORED_CLASS) for key, array in stored.items()}
        if more:
            arrays["normals"] = padded(stored_normals(normals_HW3), room, 0)
        arrays[SIZES] = np.array(shape, np.int16)
        pixels = np.moveaxis(resized_image(image_HW3, shape), -1, 0)
        return {IMAGES: padded(pixels, room, _BEYOND), **arrays}


@config
class PASCAL:
    """PASCAL-Context with three or five tasks; weights of the losses as in Appendix G.

    Pictures keep their proportions: larger ones are shrunk to fit, smaller ones are padded, and what is
    padded is unknown. Validation pictures are held out of the training list by a digest of their names.
    Decoded pictures take 10 bytes a pixel, 6 with three tasks: all of PASCAL at 512x512 takes 25 GiB, or 15.

    Attributes:
        num_tasks: 5, or 3 without normals and edges.
        height: Rows of network input.
        width: Columns of network input.
        num_val: Pictures of the training list that are held out.
        num_train: Training pictures, the first of the list that are not held out; ``None`` for all.
        num_test: Test pictures, the first of the list; ``None`` for all.
        scales: Scales that the augmentation chooses from.
        flip: Whether the augmentation mirrors every other picture.
        normalisation: How channels are brought to the range of networks.
    """

    num_tasks: Literal[3, 5] = 5
    height: int = 512
    width: int = 512
    num_val: int = 498
    num_train: int | None = None
    num_test: int | None = None
    scales: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
    flip: bool = True
    normalisation: Normalisation = "imagenet"

    def __post_init__(self) -> None:
        check_pictures(self)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Segmentation, human parts and saliency; then normals and edges."""
        three = (
            Task(name="segmentation", kind="segmentation", num_outputs=NUM_CLASSES, loss_weight=1.0),
            Task(name="parts", kind="segmentation", num_outputs=NUM_PARTS, loss_weight=2.0),
            Task(name="saliency", kind="saliency", num_outputs=1, loss_weight=5.0),
        )
        if self.num_tasks == 3:
            return three
        return (
            *three,
            Task(name="normals", kind="normals", num_outputs=3, loss_weight=10.0),
            Task(name="edges", kind="edges", num_outputs=1, loss_weight=50.0, positive_weight=EDGE_WEIGHT),
        )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Three channels, height, width."""
        return 3, self.height, self.width

    @property
    def how_to_get(self) -> str:
        """Where the data comes from and how it is laid out."""
        return (
            "Get PASCAL_MT.tgz from data.vision.ee.ethz.ch/kmaninis/share/MTL/ or where github.com/"
            "SimonVandenhende/Multi-Task-Learning-PyTorch links to, and unpack it below the data root: "
            "PASCAL_MT/JPEGImages/ID.jpg, PASCAL_MT/semseg/{VOC12,pascal-context}/ID.png, "
            "PASCAL_MT/human_parts/ID.mat, PASCAL_MT/sal_distill/ID.png, PASCAL_MT/normals_distill/ID.png, "
            "PASCAL_MT/pascal-context/trainval/ID.mat, PASCAL_MT/ImageSets/Context/{train,val}.txt."
        )

    @property
    def pictures(self) -> PascalPictures:
        """What is decoded; augmentation and normalisation come after."""
        return PascalPictures(
            height=self.height,
            width=self.width,
            num_tasks=self.num_tasks,
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


def fitted(size: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a picture that is shrunk until it fits, and not at all if it does."""
    factor = min(1.0, room[0] / size[0], room[1] / size[1])
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _geometry(
    root: Path, normals_path: str, context_path: str, *, shape: tuple[int, int], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """(H, W, 3) normals and (1, H, W) edges in the size of network input: thin lines are thin there."""
    colours_HW3 = read_image(root, normals_path)
    require_shape(normals_path, colours_HW3, (*size, 3))
    context_HW: Pixels = np.asarray(read_matlab(root, context_path, "LabelMap"))
    if context_HW.dtype.kind not in "fiu":
        raise BadFilesError(
            Finding(context_path, f"holds a LabelMap of {context_HW.dtype}, expected numbers")
        )
    require_shape(context_path, context_HW, size)
    _require_classes(context_path, context_HW, NUM_CONTEXT_CLASSES + 1)
    context_HW = resized_nearest(context_HW, shape)
    return known_normals(resized_nearest(colours_HW3, shape), context_HW), label_edges(context_HW)[None]


def _labels(root: Path, path: str, size: tuple[int, int]) -> Pixels:
    labels_HW = read_labels(root, path)
    require_shape(path, labels_HW, size)
    return labels_HW


def _require_classes(path: str, classes: Pixels, count: int) -> None:
    wrong = classes[(classes < 0) | (classes >= count)]
    if wrong.size:
        raise BadFilesError(Finding(path, f"holds class {wrong[0]}, expected one from 0 to {count - 1}"))
