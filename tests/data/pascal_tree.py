"""Writes tiny data in the layout PASCAL_MT, MATLAB structures included."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

TRAIN = tuple(f"2008_{number:06d}" for number in range(1, 8))
TEST = tuple(f"2010_{number:06d}" for number in range(1, 4))

# Height and width; pictures of PASCAL differ in size.
SIZES_OF = ((12, 16), (16, 10), (9, 9))

Parts = Mapping[str, NDArray[np.bool_]]


def write_pascal(root: Path, *, train: Sequence[str] = TRAIN, test: Sequence[str] = TEST) -> Path:
    """Pictures of noise with all targets below ``root``; returns the folder of the layout.

    Every second picture shows a person with a head and a left hand; every third has its classes in
    ``pascal-context`` alone.
    """
    folder = root / "PASCAL_MT"
    for name in (
        "JPEGImages",
        "semseg/VOC12",
        "semseg/pascal-context",
        "human_parts",
        "sal_distill",
        "normals_distill",
        "pascal-context/trainval",
        "ImageSets/Context",
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    for index, name in enumerate((*train, *test)):
        size = SIZES_OF[index % len(SIZES_OF)]
        colours = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(colours).save(folder / f"JPEGImages/{name}.jpg", quality=95, subsampling=0)
        classes = rng.integers(0, 21, size, dtype=np.uint8)
        classes[0] = 255
        source = "pascal-context" if index % 3 == 2 else "VOC12"
        Image.fromarray(classes).save(folder / f"semseg/{source}/{name}.png")
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(folder / f"sal_distill/{name}.png")
        normals = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(normals).save(folder / f"normals_distill/{name}.png")
        write_context(folder / f"pascal-context/trainval/{name}.mat", blocks(size))
        write_parts(folder / f"human_parts/{name}.mat", example_objects(size, person=index % 2 == 0))
    for split, names in (("train", train), ("val", test)):
        (folder / f"ImageSets/Context/{split}.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    return folder


def blocks(size: tuple[int, int]) -> NDArray[np.uint16]:
    """A label map: floor on the left, a dolphin on the right."""
    labels = np.full(size, 158, np.uint16)
    labels[:, size[1] // 2 :] = 114
    return labels


def write_context(path: Path, labels: NDArray[np.uint16]) -> None:
    """The file of a label map, as PASCAL-Context has it."""
    savemat(path, {"LabelMap": labels}, do_compression=True)


def example_objects(size: tuple[int, int], *, person: bool) -> list[tuple[int, Parts]]:
    """Objects of a picture: a dog with a head; before it a person, if any, with a head and a left hand."""
    head, hand = np.zeros(size, bool), np.zeros(size, bool)
    head[:3, :4], hand[5:7, 2:4] = True, True
    dog = (12, {"head": np.ones(size, bool)})
    return [(15, {"head": head, "lhand": hand}), dog] if person else [dog]


def write_parts(path: Path, objects: Sequence[tuple[int, Parts]], *, name: str = "picture") -> None:
    """The file of a picture's objects, as PASCAL-Part has it: structures in arrays of structures."""
    described = [_object(index, parts) for index, parts in objects]
    savemat(path, {"anno": {"imname": name, "objects": _structures(described)}}, do_compression=True)


def _object(index: int, parts: Parts) -> dict[str, Any]:
    masks = [{"part_name": part, "mask": mask.astype(np.uint8)} for part, mask in parts.items()]
    whole = np.any(list(parts.values()), axis=0) if parts else np.ones((1, 1), bool)
    return {
        "class": "person" if index == 15 else "other",
        "class_ind": np.array([[index]], np.uint8),
        "mask": whole.astype(np.uint8),
        "parts": _structures(masks) if masks else np.zeros((0, 0)),
    }


def _structures(fields: Sequence[Mapping[str, Any]]) -> NDArray[np.void]:
    """(1, n) array of MATLAB structures."""
    array = np.zeros((1, len(fields)), dtype=[(name, object) for name in fields[0]])
    for index, values in enumerate(fields):
        for name, value in values.items():
            array[name][0, index] = value
    return array
