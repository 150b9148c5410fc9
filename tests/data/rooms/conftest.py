"""Rooms whose geometry is known."""

from collections.abc import Callable

import numpy as np
import pytest

from dymu.data.rooms.layout import draw_rooms
from dymu.data.rooms.shapes import Boxes, Globes, Panels, Rooms

MakeRoom = Callable[..., Rooms]


@pytest.fixture(scope="session")
def many_rooms() -> Rooms:
    return draw_rooms(200, np.random.default_rng(5))


@pytest.fixture
def make_room() -> MakeRoom:
    """One room of 4 x 5 x 3 metres with a camera in its middle that looks along y.

    Boxes are (centre, half, angle), globes (centre, radius), panels (wall, low, high, is_door).
    """

    def make(
        boxes: list[tuple[list[float], list[float], float]] | None = None,
        globes: list[tuple[list[float], float]] | None = None,
        panels: list[tuple[int, list[float], list[float], bool]] | None = None,
    ) -> Rooms:
        boxes, globes, panels = boxes or [], globes or [], panels or []
        angles = np.array([[angle for _, _, angle in boxes]])
        return Rooms(
            size_XR=np.array([[4.0], [5.0], [3.0]]),
            camera_XR=np.array([[2.0], [2.5], [1.5]]),
            axes_XXR=np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])[:, :, None],
            boxes=Boxes(
                centre_XRF=np.array([centre for centre, _, _ in boxes]).reshape(-1, 1, 3).T,
                half_XRF=np.array([half for _, half, _ in boxes]).reshape(-1, 1, 3).T,
                turn_2RF=np.stack([np.cos(angles), np.sin(angles)]),
                exists_RF=np.ones((1, len(boxes)), dtype=bool),
            ),
            globes=Globes(
                centre_XRG=np.array([centre for centre, _ in globes]).reshape(-1, 1, 3).T,
                radius_RG=np.array([[radius for _, radius in globes]]),
                exists_RG=np.ones((1, len(globes)), dtype=bool),
            ),
            panels=Panels(
                wall_RD=np.array([[wall for wall, _, _, _ in panels]], dtype=np.int64),
                low_2RD=np.array([low for _, low, _, _ in panels]).reshape(-1, 1, 2).T,
                high_2RD=np.array([high for _, _, high, _ in panels]).reshape(-1, 1, 2).T,
                is_door_RD=np.array([[is_door for _, _, _, is_door in panels]], dtype=bool),
                exists_RD=np.ones((1, len(panels)), dtype=bool),
            ),
        )

    return make
