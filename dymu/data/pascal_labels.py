"""Targets of PASCAL-Context that files do not hold as such: human parts, known normals, thin edges."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dymu.data.dense_files import BadFilesError, Pixels
from dymu.data.official import Finding
from dymu.spec.task import IGNORED_CLASS

# Category of people among the objects of PASCAL-Part.
PERSON = 15

# Part of a person, by its name in PASCAL-Part: 1 head, 2 torso, 3 upper arms, 4 lower arms, 5 upper legs,
# 6 lower legs.
PART_OF: Mapping[str, int] = {
    **dict.fromkeys(("hair", "head", "mouth", "nose"), 1),
    **dict.fromkeys(("lear", "rear", "lebrow", "rebrow", "leye", "reye"), 1),
    **dict.fromkeys(("neck", "torso"), 2),
    **dict.fromkeys(("luarm", "ruarm"), 3),
    **dict.fromkeys(("llarm", "rlarm", "lhand", "rhand"), 4),
    **dict.fromkeys(("luleg", "ruleg"), 5),
    **dict.fromkeys(("llleg", "rlleg", "lfoot", "rfoot"), 6),
}

NUM_CONTEXT_CLASSES = 459

# Classes of PASCAL-Context that NYU-v2 has by the same name, and televisions, with their numbers in the label
# map. Normals are those that a network trained on NYU-v2 predicts, so elsewhere they are not known.
# fmt: off
KNOWN_NORMALS: Mapping[str, int] = {
    "air conditioner": 3, "antenna": 4, "ashtray": 6, "bag": 9, "ball": 10, "balloon": 11, "barrel": 13,
    "basket": 15, "bathtub": 17, "bed": 18, "bench": 22, "bicycle": 23, "blackboard": 29, "board": 30,
    "book": 33, "bottle": 34, "bowl": 36, "box": 37, "bracelet": 38, "brick": 39, "broom": 41, "bucket": 43,
    "cabinet": 46, "cake": 49, "calculator": 50, "calendar": 51, "camera": 53, "can": 55, "candle": 56,
    "car": 59, "cart": 61, "case": 62, "cat": 65, "cd": 66, "ceiling": 68, "cell phone": 69, "chair": 72,
    "chessboard": 73, "clock": 78, "coffee machine": 82, "comb": 84, "computer": 85, "cone": 87,
    "container": 88, "corkscrew": 95, "counter": 96, "crate": 101, "cup": 104, "curtain": 105,
    "cutting board": 107, "dishwasher": 111, "dog": 113, "door": 115, "drum": 122, "duck": 124,
    "envelope": 135, "fan": 141, "faucet": 142, "fax machine": 143, "fire extinguisher": 146,
    "fish tank": 150, "flag": 154, "flashlight": 157, "floor": 158, "flower": 159, "fork": 165, "fruit": 172,
    "furnace": 174, "glass": 181, "globe": 183, "glove": 184, "guitar": 191, "hammer": 193, "handle": 195,
    "hanger": 197, "hat": 199, "heater": 202, "ipod": 213, "ironing board": 215, "jar": 216, "key": 219,
    "keyboard": 220, "knife": 223, "ladder": 225, "laptop": 228, "lid": 230, "light": 232, "light bulb": 233,
    "lock": 238, "machine": 239, "map": 242, "mask": 243, "mattress": 246, "microphone": 250,
    "microwave": 251, "mirror": 252, "money": 255, "mouse": 260, "mouse pad": 261, "napkin": 263,
    "oven": 269, "pan": 272, "paper": 273, "paper cutter": 275, "pen": 281, "pencil": 283, "person": 284,
    "photo": 285, "piano": 286, "picture": 287, "pig": 288, "pillow": 290, "pipe": 291, "pitcher": 292,
    "plant": 293, "plate": 295, "pool table": 304, "pot": 307, "printer": 309, "projector": 310,
    "radiator": 314, "radio": 315, "range hood": 319, "remote control": 323, "rope": 329, "rug": 330,
    "ruler": 331, "scale": 336, "sculpture": 342, "sewing machine": 345, "shelves": 349, "shoe": 350,
    "shopping cart": 351, "shovel": 352, "sign": 355, "sink": 357, "sofa": 368, "spatula": 370,
    "speaker": 371, "spoon": 374, "stapler": 379, "stick": 380, "stool": 383, "stove": 384, "table": 397,
    "tape": 400, "telephone": 403, "tent": 405, "toaster": 407, "toilet": 408, "toothbrush": 411,
    "towel": 412, "toy": 413, "toy car": 414, "trampoline": 417, "tray": 419, "tricycle": 421, "trophy": 423,
    "tvmonitor": 427, "typewriter": 429, "umbrella": 430, "vacuum cleaner": 432, "wall": 440, "wallet": 441,
    "wardrobe": 442, "washing machine": 443, "watch": 444, "water dispenser": 446, "window": 454,
    "wire": 457,
}
# fmt: on


def part_classes(path: str, annotation: Any, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W) parts of people from the variable ``anno`` of a file of PASCAL-Part; 0 is background.

    A picture without any part of a person says nothing about parts: all of it is IGNORED_CLASS.

    Args:
        path: The file, for messages.
        annotation: What :func:`~dymu.data.dense_files.read_matlab` returned: a structure with ``objects``,
            each with ``class_ind``, ``mask`` and ``parts``, each of those with ``part_name`` and ``mask``.
        shape: Height and width of the picture.

    Raises:
        BadFilesError: If the structure is another, a part is unknown or a mask has another shape.
    """
    classes = np.zeros(shape, np.uint8)
    try:
        for person in _elements(_elements(annotation)[0]["objects"]):
            if int(np.ravel(person["class_ind"])[0]) == PERSON:
                for part in _elements(person["parts"]):
                    name, mask = str(np.ravel(part["part_name"])[0]), np.asarray(part["mask"])
                    _require_part(path, name, mask, shape)
                    classes[mask.astype(bool)] = PART_OF[name]
    except (IndexError, TypeError, ValueError) as error:
        problem = f"has no 'anno' of objects with class_ind and parts ({type(error).__name__}: {error})"
        raise BadFilesError(Finding(path, problem)) from error
    if not classes.any():
        classes.fill(IGNORED_CLASS)
    return classes


def known_normals(levels_HW3: NDArray[np.uint8], context_HW: Pixels) -> NDArray[np.float32]:
    """(H, W, 3) vectors from colours, -1 to 1, zero where the class has no counterpart in NYU-v2."""
    known = np.isin(context_HW, list(KNOWN_NORMALS.values()))
    return np.where(known[..., None], levels_HW3.astype(np.float32) * np.float32(2 / 255) - 1, 0)


def label_edges(context_HW: Pixels) -> NDArray[np.uint8]:
    """(H, W) 1 on thin lines where the Laplacian of the label map is not zero, 0 elsewhere."""
    inner = context_HW.astype(np.int64)
    outer = np.pad(inner, 1, mode="reflect")
    change = outer[:-2, 1:-1] + outer[2:, 1:-1] + outer[1:-1, :-2] + outer[1:-1, 2:] - 4 * inner
    return thinned(change != 0).astype(np.uint8)


def thinned(mask_HW: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Lines of one pixel that are connected as the mask is (Guo and Hall, 1989, "Parallel thinning").

    Beyond the border there is nothing.
    """
    thin = np.pad(mask_HW, 1)
    count = -1
    while count != (count := int(thin.sum())):
        for removed in _REMOVED:
            code = np.zeros(mask_HW.shape, np.uint8)
            for bit, (row, column) in enumerate(_NEIGHBOURS):
                height, width = mask_HW.shape
                neighbour = thin[1 + row : 1 + row + height, 1 + column : 1 + column + width]
                code |= neighbour.astype(np.uint8) << np.uint8(bit)
            thin[1:-1, 1:-1] &= ~removed[code]
    return thin[1:-1, 1:-1]


# East, then against the clock.
_NEIGHBOURS = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


def _removed(turn: int) -> NDArray[np.bool_]:
    """(256,) whether a pixel with these neighbours goes; ``turn`` 0 begins in the east, 4 in the west."""
    there = (np.arange(256)[:, None] >> np.arange(8) & 1).astype(bool)
    following = np.roll(there, -1, axis=1)
    # Branches that meet here: a gap at an edge neighbour, then a pixel at one of the next two.
    branches = (~there & (following | np.roll(there, -2, axis=1)))[:, ::2].sum(axis=1)
    pairs = there | following
    size = np.minimum(pairs[:, ::2].sum(axis=1), pairs[:, 1::2].sum(axis=1))
    side = np.roll(there, -turn, axis=1)
    kept = (side[:, 1] | side[:, 2] | ~side[:, 7]) & side[:, 0]
    return (branches == 1) & (size >= 2) & (size <= 3) & ~kept


_REMOVED = (_removed(0), _removed(4))


def _elements(structures: Any) -> list[Any]:
    return list(np.ravel(np.asarray(structures)))


def _require_part(path: str, name: str, mask: Pixels, shape: tuple[int, int]) -> None:
    if name not in PART_OF:
        expected = ", ".join(sorted(PART_OF))
        raise BadFilesError(Finding(path, f"holds a part {name!r} of a person, expected one of {expected}"))
    if mask.shape != shape:
        problem = f"holds a mask of shape {mask.shape}, expected {shape} as its picture has"
        raise BadFilesError(Finding(path, problem))
