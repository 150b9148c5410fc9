"""Random furnished rooms, many at once. Shape suffixes: see :mod:`dymu.data.rooms.shapes`."""

import numpy as np

from dymu.data.rooms.shapes import Bools, Boxes, Floats, Globes, Ints, Panels, Rooms

NUM_BOXES = 4
NUM_GLOBES = 3
NUM_PANELS = 3

# Everything solid keeps this distance from the camera, so that depth has a known least value.
CLEARANCE = 0.8

_GROUND, _HEIGHT = (3.0, 8.0), (2.5, 3.2)
_CAMERA_HEIGHT, _PITCH, _ROLL = (1.5, 1.65), (-0.35, -0.1), (-0.04, 0.04)
_SET_BACK = (0.5, 1.0)  # of the way from the middle of the room to where the camera can still stand
_HALF_FLAT, _HALF_TALL = (0.2, 0.7), (0.15, 0.8)
_RADIUS = (0.15, 0.45)
_HALF_DOOR, _DOOR_TALL = (0.4, 0.55), (1.9, 2.2)
_HALF_PICTURE, _PICTURE_LOW, _PICTURE_TALL = (0.2, 0.6), (0.9, 1.4), (0.4, 0.9)
_ASKEW, _CHANCE, _ON_BOX = 0.4, 0.75, 0.4
_CANDIDATES = 12
_VIEW = 0.6  # tangent of half the angle in which furniture is placed


def draw_rooms(count: int, rng: np.random.Generator) -> Rooms:
    """Draw rooms: a camera that looks across the room, furniture in its view, doors and pictures."""
    size_XR = np.stack([_uniform(rng, span, count) for span in (_GROUND, _GROUND, _HEIGHT)])
    yaw_R = _uniform(rng, (0.0, 2 * np.pi), count)
    forward_2R = np.stack([np.cos(yaw_R), np.sin(yaw_R)])
    camera_XR = _place_camera(size_XR, forward_2R, rng)
    boxes = _place_boxes(size_XR, camera_XR, forward_2R, rng)
    return Rooms(
        size_XR=size_XR,
        camera_XR=camera_XR,
        axes_XXR=_camera_axes(forward_2R, _uniform(rng, _PITCH, count), _uniform(rng, _ROLL, count)),
        boxes=boxes,
        globes=_place_globes(size_XR, camera_XR, forward_2R, boxes, rng),
        panels=_place_panels(size_XR, camera_XR, forward_2R, rng),
    )


def _uniform(rng: np.random.Generator, span: tuple[float, float], *shape: int) -> Floats:
    low, high = span
    return low + (high - low) * rng.random(shape)


def _place_camera(size_XR: Floats, forward_2R: Floats, rng: np.random.Generator) -> Floats:
    """Behind the middle of the room, as seen in the direction of view."""
    count = forward_2R.shape[1]
    free_2R = size_XR[:2] / 2 - CLEARANCE
    reach_R = (free_2R / np.maximum(np.abs(forward_2R), 1e-9)).min(axis=0)
    offset_2R = _uniform(rng, (-0.5, 0.5), 2, count) - forward_2R * reach_R * _uniform(rng, _SET_BACK, count)
    ground_2R = size_XR[:2] / 2 + np.clip(offset_2R, -free_2R, free_2R)
    return np.concatenate([ground_2R, _uniform(rng, _CAMERA_HEIGHT, 1, count)])


def _camera_axes(forward_2R: Floats, pitch_R: Floats, roll_R: Floats) -> Floats:
    east_R, north_R = forward_2R
    view_XR = np.stack([east_R * np.cos(pitch_R), north_R * np.cos(pitch_R), np.sin(pitch_R)])
    level_XR = np.stack([north_R, -east_R, np.zeros_like(east_R)])
    upright_XR = np.cross(level_XR, view_XR, axis=0)
    right_XR = np.cos(roll_R) * level_XR + np.sin(roll_R) * upright_XR
    up_XR = np.cos(roll_R) * upright_XR - np.sin(roll_R) * level_XR
    return np.stack([right_XR, up_XR, -view_XR], axis=1)


def _in_view(ground: Floats, radius: Floats, camera_XR: Floats, forward_2R: Floats) -> Bools:
    """Which upright cylinders at (2, R, S, K) with radii (R, S, K) are before the camera and clear of it."""
    offset = ground - camera_XR[:2, :, None, None]
    ahead = (offset * forward_2R[:, :, None, None]).sum(axis=0)
    distance = np.hypot(offset[0], offset[1])
    within: Bools = distance < ahead * np.hypot(1.0, _VIEW)
    within &= distance > radius + CLEARANCE
    return within


def _first_that_fits(
    ground_2RSK: Floats, radius_RSK: Floats, allowed_RSK: Bools, *, taken: tuple[Floats, Floats, Bools]
) -> tuple[Ints, Bools]:
    """Slot by slot, the first of K candidates that keeps clear of what stands there already.

    ``taken`` holds centres (2, R, *), radii (R, *) and existence (R, *) of what stands there before.

    Returns:
        The chosen candidate (R, S), and which slots got one (R, S).
    """
    rooms = np.arange(allowed_RSK.shape[0])
    chosen_RS = np.zeros(allowed_RSK.shape[:2], dtype=np.int64)
    filled_RS = np.zeros(allowed_RSK.shape[:2], dtype=bool)
    centres, radii, exist = taken
    for slot in range(allowed_RSK.shape[1]):
        offset = ground_2RSK[:, :, slot, :, None] - centres[:, :, None, :]
        apart = np.hypot(offset[0], offset[1]) > radius_RSK[:, slot, :, None] + radii[:, None, :]
        fits_RK = allowed_RSK[:, slot] & (apart | ~exist[:, None, :]).all(axis=-1)
        pick_R = fits_RK.argmax(axis=-1)
        chosen_RS[:, slot], filled_RS[:, slot] = pick_R, fits_RK.any(axis=-1)
        centres = np.concatenate([centres, ground_2RSK[:, rooms, slot, pick_R][:, :, None]], axis=-1)
        radii = np.concatenate([radii, radius_RSK[rooms, slot, pick_R][:, None]], axis=-1)
        exist = np.concatenate([exist, filled_RS[:, slot, None]], axis=-1)
    return chosen_RS, filled_RS


def _picked(candidates: Floats, chosen_RS: Ints) -> Floats:
    """The chosen ones (..., R, S) of candidates (..., R, S, K)."""
    leading = (1,) * (candidates.ndim - 3)
    return np.take_along_axis(candidates, chosen_RS.reshape(*leading, *chosen_RS.shape, 1), axis=-1)[..., 0]


def _place_boxes(size_XR: Floats, camera_XR: Floats, forward_2R: Floats, rng: np.random.Generator) -> Boxes:
    count = size_XR.shape[1]
    shape = (count, NUM_BOXES, _CANDIDATES)
    half = np.concatenate([_uniform(rng, _HALF_FLAT, 2, *shape), _uniform(rng, _HALF_TALL, 1, *shape)])
    angle = np.where(rng.random(shape) < _ASKEW, _uniform(rng, (0.0, np.pi), *shape), 0.0)
    turn = np.stack([np.cos(angle), np.sin(angle)])
    cos, sin = np.abs(turn)
    extent = np.stack([half[0] * cos + half[1] * sin, half[0] * sin + half[1] * cos])
    ground = extent + (size_XR[:2, :, None, None] - 2 * extent) * rng.random((2, *shape))
    radius = np.hypot(half[0], half[1])
    allowed = _in_view(ground, radius, camera_XR, forward_2R) & (rng.random((count, NUM_BOXES, 1)) < _CHANCE)
    nothing = np.zeros((2, count, 0)), np.zeros((count, 0)), np.zeros((count, 0), dtype=bool)
    chosen_RF, exists_RF = _first_that_fits(ground, radius, allowed, taken=nothing)
    half_XRF = _picked(half, chosen_RF)
    return Boxes(
        centre_XRF=np.concatenate([_picked(ground, chosen_RF), half_XRF[2:]]),
        half_XRF=half_XRF,
        turn_2RF=_picked(turn, chosen_RF),
        exists_RF=exists_RF,
    )


def _place_globes(
    size_XR: Floats, camera_XR: Floats, forward_2R: Floats, boxes: Boxes, rng: np.random.Generator
) -> Globes:
    """On the floor beside the boxes, but the g-th one often on top of the g-th box."""
    count = size_XR.shape[1]
    shape = (count, NUM_GLOBES, _CANDIDATES)
    radius = _uniform(rng, _RADIUS, *shape)
    ground = radius + (size_XR[:2, :, None, None] - 2 * radius) * rng.random((2, *shape))
    allowed = _in_view(ground, radius, camera_XR, forward_2R) & (rng.random((count, NUM_GLOBES, 1)) < _CHANCE)
    box_radius_RF = np.hypot(boxes.half_XRF[0], boxes.half_XRF[1])
    taken = boxes.centre_XRF[:2], box_radius_RF, boxes.exists_RF
    chosen_RG, beside_RG = _first_that_fits(ground, radius, allowed, taken=taken)
    radius_RG = _picked(radius, chosen_RG)
    on_floor_XRG = np.concatenate([_picked(ground, chosen_RG), radius_RG[None]])
    below_XRG, half_XRG = boxes.centre_XRF[:, :, :NUM_GLOBES], boxes.half_XRF[:, :, :NUM_GLOBES]
    on_box_RG = boxes.exists_RF[:, :NUM_GLOBES] & (rng.random((count, NUM_GLOBES)) < _ON_BOX)
    fitting_RG = np.minimum(radius_RG, half_XRG[:2].min(axis=0))
    on_top_XRG = np.concatenate([below_XRG[:2], (2 * half_XRG[2] + fitting_RG)[None]])
    return Globes(
        centre_XRG=np.where(on_box_RG, on_top_XRG, on_floor_XRG),
        radius_RG=np.where(on_box_RG, fitting_RG, radius_RG),
        exists_RG=beside_RG | on_box_RG,
    )


def _place_panels(size_XR: Floats, camera_XR: Floats, forward_2R: Floats, rng: np.random.Generator) -> Panels:
    """Each where a level ray within the view meets a wall; the last one is a door and covers the others."""
    count = size_XR.shape[1]
    aside_RD = _uniform(rng, (-_VIEW, _VIEW), count, NUM_PANELS)
    east, north = forward_2R[0, :, None], forward_2R[1, :, None]
    ray_2RD = np.stack([east + aside_RD * north, north - aside_RD * east])
    ground_2R1, camera_2R1 = size_XR[:2, :, None], camera_XR[:2, :, None]
    steep_2RD = np.where(np.abs(ray_2RD) < 1e-9, 1e-9, ray_2RD)
    reach_2RD = (np.where(steep_2RD > 0, ground_2R1, 0.0) - camera_2R1) / steep_2RD
    on_y_RD = reach_2RD[1] < reach_2RD[0]
    meets_2RD = camera_2R1 + reach_2RD.min(axis=0) * ray_2RD
    ahead_RD = np.where(on_y_RD, steep_2RD[1], steep_2RD[0]) > 0
    along_RD = np.where(on_y_RD, meets_2RD[0], meets_2RD[1])
    wall_RD = 2 * on_y_RD.astype(np.int64) + ahead_RD
    length_RD = np.where(on_y_RD, ground_2R1[0], ground_2R1[1])
    shape = wall_RD.shape
    is_door_RD = np.broadcast_to(np.arange(NUM_PANELS) == NUM_PANELS - 1, wall_RD.shape)
    half_width_RD = np.where(
        is_door_RD, _uniform(rng, _HALF_DOOR, *shape), _uniform(rng, _HALF_PICTURE, *shape)
    )
    along_RD = np.clip(along_RD, half_width_RD, length_RD - half_width_RD)
    low_RD = np.where(is_door_RD, 0.0, _uniform(rng, _PICTURE_LOW, *shape))
    tall_RD = np.where(is_door_RD, _uniform(rng, _DOOR_TALL, *shape), _uniform(rng, _PICTURE_TALL, *shape))
    return Panels(
        wall_RD=wall_RD,
        low_2RD=np.stack([along_RD - half_width_RD, low_RD]),
        high_2RD=np.stack([along_RD + half_width_RD, low_RD + tall_RD]),
        is_door_RD=is_door_RD,
        exists_RD=rng.random(shape) < _CHANCE,
    )
