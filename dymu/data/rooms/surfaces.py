"""What surfaces are and how they look. Shape suffixes: see :mod:`dymu.data.rooms.shapes`."""

import numpy as np
from numpy.typing import NDArray

from dymu.data.rooms.raycast import Hits, first_hits
from dymu.data.rooms.shapes import Bools, Floats, Ints, Rooms

CLASSES = ("floor", "ceiling", "wall", "door", "picture", "box", "globe")
_FLOOR, _CEILING, _WALL, _DOOR, _PICTURE, _BOX, _GLOBE = range(len(CLASSES))

_DARKEST, _BRIGHTEST = 0.2, 0.95
_CONTRAST = (0.7, 0.95)
_PERIOD = (0.15, 0.7)
_AMBIENT = (0.2, 0.4)
_LIFT = 1e-6  # keeps a shadow's ray off the surface that it starts from
_NOISE = 0.03


def surface_classes(rooms: Rooms, hits: Hits, point_XRQ: Floats) -> tuple[Ints, Ints]:
    """Class of each point, and its paint: the number of the thing whose colours it has.

    Paints: 0 to 2 are floor, ceiling and walls, then come the panels, the boxes and the globes.
    """
    num_boxes, num_panels = rooms.boxes.exists_RF.shape[1], rooms.panels.exists_RD.shape[1]
    low_RQ = point_XRQ[2] < rooms.size_XR[2, :, None] / 2
    paint_RQ = np.where(hits.axis_RQ < 2, _WALL, np.where(low_RQ, _FLOOR, _CEILING))
    class_RQ = paint_RQ
    for panel in range(num_panels):
        covered_RQ = _on_panel(rooms, hits, point_XRQ, panel)
        kind_R1 = np.where(rooms.panels.is_door_RD[:, panel, None], _DOOR, _PICTURE)
        class_RQ = np.where(covered_RQ, kind_R1, class_RQ)
        paint_RQ = np.where(covered_RQ, 3 + panel, paint_RQ)
    thing_RQ = np.where(hits.object_RQ > num_boxes, _GLOBE, _BOX)
    on_thing_RQ = hits.object_RQ > 0
    class_RQ = np.where(on_thing_RQ, thing_RQ, class_RQ)
    return class_RQ, np.where(on_thing_RQ, 2 + num_panels + hits.object_RQ, paint_RQ)


def _on_panel(rooms: Rooms, hits: Hits, point_XRQ: Floats, panel: int) -> Bools:
    panels = rooms.panels
    wall_R1 = panels.wall_RD[:, panel, None]
    across_x_R1 = wall_R1 < 2
    far_x_RQ, far_y_RQ = point_XRQ[:2] > rooms.size_XR[:2, :, None] / 2
    side_RQ = np.where(across_x_R1, far_x_RQ, far_y_RQ)
    along_RQ = np.where(across_x_R1, point_XRQ[1], point_XRQ[0])
    low_2R1, high_2R1 = panels.low_2RD[:, :, panel, None], panels.high_2RD[:, :, panel, None]
    inside_RQ: Bools = (along_RQ > low_2R1[0]) & (along_RQ < high_2R1[0])
    inside_RQ &= (point_XRQ[2] > low_2R1[1]) & (point_XRQ[2] < high_2R1[1])
    on_wall_RQ = (hits.object_RQ == 0) & (hits.axis_RQ == wall_R1 // 2) & (side_RQ == wall_R1 % 2)
    inside_RQ &= on_wall_RQ & panels.exists_RD[:, panel, None]
    return inside_RQ


def photographed(
    rooms: Rooms, point_XRQ: Floats, normal_XRQ: Floats, paint_RQ: Ints, *, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Colours (R, 3, Q) under a lamp, with patterns, shadows and the noise of a camera."""
    count = len(rooms)
    things = rooms.panels.exists_RD, rooms.boxes.exists_RF, rooms.globes.exists_RG
    num_paints = 3 + sum(thing.shape[1] for thing in things)
    albedo_3RQ = _painted(point_XRQ, paint_RQ, num_paints, rng)
    lamp_XR = rooms.size_XR * (0.2 + 0.6 * rng.random((3, count)))
    lamp_XR[2] = rooms.size_XR[2] - 0.15 - 0.4 * rng.random(count)
    light_RQ = lamp_light(rooms, point_XRQ, normal_XRQ, lamp_XR)
    ambient_R1 = _between(rng, _AMBIENT, count, 1)
    gain_3R1 = _between(rng, (0.85, 1.15), 3, count, 1)
    colour_3RQ = albedo_3RQ * (ambient_R1 + (1 - ambient_R1) * light_RQ) * gain_3R1
    noisy_3RQ = colour_3RQ + _NOISE * rng.standard_normal(colour_3RQ.shape)
    levels_3RQ = np.clip(np.round(noisy_3RQ * 255), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(levels_3RQ.transpose(1, 0, 2))


def _between(rng: np.random.Generator, span: tuple[float, float], *shape: int) -> Floats:
    return span[0] + (span[1] - span[0]) * rng.random(shape)


def _painted(point_XRQ: Floats, paint_RQ: Ints, num_paints: int, rng: np.random.Generator) -> Floats:
    """Each paint has two shades in a solid pattern of slabs: stripes, planks or chequers."""
    count = paint_RQ.shape[0]
    shape = (count, num_paints)
    grey = _between(rng, (_DARKEST, _BRIGHTEST), 1, *shape)
    first = np.clip(grey + _between(rng, (-0.2, 0.2), 3, *shape), 0.05, 1.0)
    second = first * _between(rng, _CONTRAST, 1, *shape)
    period = _between(rng, _PERIOD, 3, *shape)
    used = rng.random((3, *shape)) < 0.4
    index = np.arange(count)[:, None], paint_RQ
    slabs_RQ = np.zeros(paint_RQ.shape, dtype=np.int64)
    for axis in range(3):
        slab_RQ = np.floor(point_XRQ[axis] / period[axis][index]).astype(np.int64)
        slabs_RQ += np.where(used[axis][index], slab_RQ, 0)
    dark_RQ = slabs_RQ % 2 == 1
    return np.where(dark_RQ, second[:, *index], first[:, *index])


def lamp_light(rooms: Rooms, point_XRQ: Floats, normal_XRQ: Floats, lamp_XR: Floats) -> Floats:
    """Share of the lamp's light: Lambert's law, and nothing where an object is between."""
    start_XRQ = point_XRQ + _LIFT * normal_XRQ
    to_lamp_XRQ = lamp_XR[:, :, None] - start_XRQ
    length_RQ = np.sqrt((to_lamp_XRQ**2).sum(axis=0))
    cosine_RQ = np.maximum((to_lamp_XRQ * normal_XRQ).sum(axis=0), 0.0) / length_RQ
    blocked_RQ = first_hits(rooms, start_XRQ, to_lamp_XRQ).distance_RQ < 1.0
    return np.where(blocked_RQ, 0.0, cosine_RQ)
