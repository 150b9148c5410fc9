"""What a batch of furnished rooms consists of.

Shape suffixes in this package: R rooms, Q rays (pixels) of a room, X three coordinates, F furniture boxes,
G globes, D doors and pictures. Lengths are metres. World coordinates: x and y along the walls, z up; the
room is [0, width] x [0, length] x [0, height].
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """Furniture: boxes that stand on the floor.

    Attributes:
        centre_XRF: Centres.
        half_XRF: Half the sizes, along the box's own axes.
        turn_2RF: Cosine and sine of the turn about the vertical.
        exists_RF: Which of them are in the room.
    """

    centre_XRF: Floats
    half_XRF: Floats
    turn_2RF: Floats
    exists_RF: Bools


@dataclass(frozen=True, kw_only=True)
class Globes:
    """Spheres that lie on the floor or on a box.

    Attributes:
        centre_XRG: Centres.
        radius_RG: Radii.
        exists_RG: Which of them are in the room.
    """

    centre_XRG: Floats
    radius_RG: Floats
    exists_RG: Bools


@dataclass(frozen=True, kw_only=True)
class Panels:
    """Doors and pictures: rectangles that are part of a wall.

    Attributes:
        wall_RD: 0 is x=0, 1 x=width, 2 y=0, 3 y=length.
        low_2RD: Least coordinate along the wall, and above the floor.
        high_2RD: Largest coordinate along the wall, and above the floor.
        is_door_RD: Door or picture.
        exists_RD: Which of them are in the room.
    """

    wall_RD: Ints
    low_2RD: Floats
    high_2RD: Floats
    is_door_RD: Bools
    exists_RD: Bools


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """Geometry of R rooms.

    Attributes:
        size_XR: Width, length, height.
        camera_XR: Where the camera is.
        axes_XXR: First index world, second camera: the camera's right, up and backward directions.
        boxes: Furniture.
        globes: Spheres.
        panels: Doors and pictures.
    """

    size_XR: Floats
    camera_XR: Floats
    axes_XXR: Floats
    boxes: Boxes
    globes: Globes
    panels: Panels

    def __len__(self) -> int:
        return int(self.size_XR.shape[1])
