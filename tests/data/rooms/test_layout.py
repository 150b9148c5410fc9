from dataclasses import fields

import numpy as np
import pytest

from dymu.data.rooms.layout import CLEARANCE, NUM_BOXES, NUM_GLOBES, NUM_PANELS, draw_rooms
from dymu.data.rooms.shapes import Rooms

SLACK = 1e-9


def test_a_seed_gives_the_same_rooms() -> None:
    first, again, other = (draw_rooms(5, np.random.default_rng(seed)) for seed in (1, 1, 2))
    for part in ("boxes", "globes", "panels"):
        for field in fields(getattr(first, part)):
            one, two = (getattr(getattr(rooms, part), field.name) for rooms in (first, again))
            assert (one == two).all()
    assert (first.size_XR != other.size_XR).all()


@pytest.mark.parametrize("count", [1, 7])
def test_shapes_follow_the_number_of_rooms(count: int) -> None:
    rooms = draw_rooms(count, np.random.default_rng(0))
    assert rooms.size_XR.shape == rooms.camera_XR.shape == (3, count)
    assert rooms.axes_XXR.shape == (3, 3, count)
    assert rooms.boxes.centre_XRF.shape == rooms.boxes.half_XRF.shape == (3, count, NUM_BOXES)
    assert rooms.globes.centre_XRG.shape == (3, count, NUM_GLOBES)
    assert rooms.panels.low_2RD.shape == (2, count, NUM_PANELS)


def test_camera_axes_are_a_right_handed_rotation(many_rooms: Rooms) -> None:
    axes = many_rooms.axes_XXR.transpose(2, 0, 1)
    np.testing.assert_allclose(
        axes @ axes.transpose(0, 2, 1), np.broadcast_to(np.eye(3), axes.shape), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(axes), 1)


def test_the_camera_stands_upright_and_looks_level_or_down(many_rooms: Rooms) -> None:
    _, up, backward = many_rooms.axes_XXR.transpose(1, 0, 2)
    assert (up[2] > 0.8).all()
    assert (backward[2] > 0).all()


def test_the_camera_keeps_clear_of_floor_ceiling_and_walls(many_rooms: Rooms) -> None:
    assert (many_rooms.camera_XR >= CLEARANCE - SLACK).all()
    assert (many_rooms.size_XR - many_rooms.camera_XR >= CLEARANCE - SLACK).all()


def test_boxes_stand_on_the_floor_within_the_walls(many_rooms: Rooms) -> None:
    boxes = many_rooms.boxes
    cos, sin = np.abs(boxes.turn_2RF)
    extent = np.stack(
        [boxes.half_XRF[0] * cos + boxes.half_XRF[1] * sin, boxes.half_XRF[0] * sin + boxes.half_XRF[1] * cos]
    )
    low, high = boxes.centre_XRF[:2] - extent, boxes.centre_XRF[:2] + extent
    assert (low >= -SLACK).all()
    assert (high <= many_rooms.size_XR[:2, :, None] + SLACK).all()
    np.testing.assert_array_equal(boxes.centre_XRF[2], boxes.half_XRF[2])


def test_boxes_and_globes_keep_clear_of_the_camera(many_rooms: Rooms) -> None:
    boxes, globes = many_rooms.boxes, many_rooms.globes
    ground = many_rooms.camera_XR[:2, :, None]
    to_box = np.hypot(*(boxes.centre_XRF[:2] - ground)) - np.hypot(*boxes.half_XRF[:2])
    to_globe = np.hypot(*(globes.centre_XRG[:2] - ground)) - globes.radius_RG
    assert (to_box[boxes.exists_RF] >= CLEARANCE - SLACK).all()
    assert (to_globe[globes.exists_RG] >= CLEARANCE - SLACK).all()


def test_boxes_keep_clear_of_each_other(many_rooms: Rooms) -> None:
    boxes = many_rooms.boxes
    radius = np.hypot(*boxes.half_XRF[:2])
    for one in range(NUM_BOXES):
        for two in range(one):
            both = boxes.exists_RF[:, one] & boxes.exists_RF[:, two]
            gap = np.hypot(*(boxes.centre_XRF[:2, :, one] - boxes.centre_XRF[:2, :, two]))
            assert (gap > radius[:, one] + radius[:, two])[both].all()


def test_globes_rest_on_the_floor_or_on_a_box_below_the_ceiling(many_rooms: Rooms) -> None:
    globes, boxes = many_rooms.globes, many_rooms.boxes
    bottom = globes.centre_XRG[2] - globes.radius_RG
    top_of_box = 2 * boxes.half_XRF[2, :, :NUM_GLOBES]
    on_floor, on_box = np.abs(bottom) < SLACK, np.abs(bottom - top_of_box) < SLACK
    assert (on_floor | on_box)[globes.exists_RG].all()
    assert on_floor[globes.exists_RG].any()
    assert on_box[globes.exists_RG].any()
    top = globes.centre_XRG[2] + globes.radius_RG
    assert (top <= many_rooms.size_XR[2, :, None] + SLACK)[globes.exists_RG].all()


def test_panels_lie_within_their_wall(many_rooms: Rooms) -> None:
    panels = many_rooms.panels
    width, length, height = many_rooms.size_XR[:, :, None]
    wall_length = np.where(panels.wall_RD < 2, length, width)
    assert (panels.low_2RD >= -SLACK).all()
    assert (panels.low_2RD < panels.high_2RD).all()
    assert (panels.high_2RD[0] <= wall_length + SLACK).all()
    assert (panels.high_2RD[1] < height).all()


def test_doors_reach_the_floor_and_pictures_do_not(many_rooms: Rooms) -> None:
    panels = many_rooms.panels
    assert ((panels.low_2RD[1] == 0) == panels.is_door_RD).all()
    assert panels.is_door_RD.sum() == len(many_rooms)


def test_panels_hang_on_walls_before_the_camera(many_rooms: Rooms) -> None:
    panels = many_rooms.panels
    view = -many_rooms.axes_XXR[:, 2]
    outward = np.array([[-1.0, 1, 0, 0], [0, 0, -1, 1]])
    facing = (outward[:, panels.wall_RD] * view[:2, :, None]).sum(axis=0)
    assert (facing > -0.6).all()
    assert (panels.wall_RD == np.clip(panels.wall_RD, 0, 3)).all()
    assert len(np.unique(panels.wall_RD)) == 4


def test_most_rooms_are_furnished_and_differently(many_rooms: Rooms) -> None:
    counts = many_rooms.boxes.exists_RF.sum(axis=1)
    assert counts.mean() > 1
    assert len(np.unique(counts)) >= 3
    assert 0.3 < many_rooms.globes.exists_RG.mean() < 0.95
    assert 0.5 < many_rooms.panels.exists_RD.mean() < 0.95
