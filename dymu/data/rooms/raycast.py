"""Exact intersections of rays with the rooms. Shape suffixes: see :mod:`dymu.data.rooms.shapes`.

An object is numbered 0 for the room itself, then the boxes, then the globes. For objects with flat faces
the axis says across which of their own axes the surface that was met lies.
"""

from dataclasses import dataclass

import numpy as np

from dymu.data.rooms.shapes import Bools, Boxes, Floats, Ints, Rooms

_TINY = 1e-12  # stands in for a direction's zero component, so that no ray divides by zero


@dataclass(frozen=True, kw_only=True)
class Hits:
    """The first surface that each ray meets.

    Attributes:
        distance_RQ: In units of the ray's direction.
        object_RQ: Number of the object.
        axis_RQ: Axis of the face, 0 to 2; without meaning for globes.
    """

    distance_RQ: Floats
    object_RQ: Ints
    axis_RQ: Ints


def camera_rays(rooms: Rooms, size: int, half_view: float) -> Floats:
    """Directions (X, R, Q) through the centres of size x size pixels, row by row from the upper left.

    A direction advances by 1 along the optical axis, so a distance in its units is a depth.

    Args:
        rooms: Rooms with their cameras.
        size: Pixels along a side.
        half_view: Tangent of half the angle of view.
    """
    direction_XRQ: Floats = np.einsum("xyr,yq->xrq", rooms.axes_XXR, pixel_rays(size, half_view))
    return direction_XRQ


def pixel_rays(size: int, half_view: float) -> Floats:
    """Directions (X, Q) in the camera's frame: x right, y up, z backward."""
    across = ((np.arange(size) + 0.5) / size * 2 - 1) * half_view
    up, right = np.meshgrid(-across, across, indexing="ij")
    return np.stack([right.ravel(), up.ravel(), -np.ones(size * size)])


def first_hits(rooms: Rooms, origin_XRQ: Floats, direction_XRQ: Floats) -> Hits:
    """Follow rays from inside the rooms to the first surface.

    Args:
        rooms: R rooms.
        origin_XRQ: (X, R, Q) or (X, R, 1), inside the room and outside all objects.
        direction_XRQ: Need not have unit length.
    """
    direction_XRQ = np.where(np.abs(direction_XRQ) < _TINY, _TINY, direction_XRQ)
    far_XRQ = np.where(direction_XRQ > 0, rooms.size_XR[:, :, None], 0.0)
    exits_XRQ = (far_XRQ - origin_XRQ) / direction_XRQ
    axis_RQ, distance_RQ = exits_XRQ.argmin(axis=0), exits_XRQ.min(axis=0)
    object_RQ = np.zeros_like(axis_RQ)
    for box in range(rooms.boxes.exists_RF.shape[1]):
        entry_RQ, entry_axis_RQ = _enter_box(rooms.boxes, box, origin_XRQ, direction_XRQ)
        nearer_RQ = entry_RQ < distance_RQ
        distance_RQ = np.where(nearer_RQ, entry_RQ, distance_RQ)
        axis_RQ = np.where(nearer_RQ, entry_axis_RQ, axis_RQ)
        object_RQ[nearer_RQ] = 1 + box
    globes = rooms.globes
    for globe in range(globes.exists_RG.shape[1]):
        offset_XRQ = origin_XRQ - globes.centre_XRG[:, :, globe, None]
        entry_RQ = _enter_globe(offset_XRQ, direction_XRQ, globes.radius_RG[:, globe, None])
        nearer_RQ = (entry_RQ < distance_RQ) & globes.exists_RG[:, globe, None]
        distance_RQ = np.where(nearer_RQ, entry_RQ, distance_RQ)
        object_RQ[nearer_RQ] = 1 + rooms.boxes.exists_RF.shape[1] + globe
    return Hits(distance_RQ=distance_RQ, object_RQ=object_RQ, axis_RQ=axis_RQ)


def surface_normals(rooms: Rooms, hits: Hits, point_XRQ: Floats, direction_XRQ: Floats) -> Floats:
    """Unit normals (X, R, Q) in world coordinates, towards the side from which the rays came."""
    towards_XRQ = np.where(direction_XRQ > 0, -1.0, 1.0)
    normal_XRQ = np.where(np.arange(3)[:, None, None] == hits.axis_RQ, towards_XRQ, 0.0)
    for box in range(rooms.boxes.exists_RF.shape[1]):
        on_box_RQ = hits.object_RQ == 1 + box
        own_XRQ = _turned(direction_XRQ, rooms.boxes.turn_2RF[:, :, box, None], inverse=True)
        facing_XRQ = np.where(own_XRQ > 0, -1.0, 1.0)
        flat_XRQ = np.where(np.arange(3)[:, None, None] == hits.axis_RQ, facing_XRQ, 0.0)
        normal_XRQ = np.where(on_box_RQ, _turned(flat_XRQ, rooms.boxes.turn_2RF[:, :, box, None]), normal_XRQ)
    for globe in range(rooms.globes.exists_RG.shape[1]):
        on_globe_RQ = hits.object_RQ == 1 + rooms.boxes.exists_RF.shape[1] + globe
        offset_XRQ = point_XRQ - rooms.globes.centre_XRG[:, :, globe, None]
        normal_XRQ = np.where(on_globe_RQ, offset_XRQ / rooms.globes.radius_RG[:, globe, None], normal_XRQ)
    return normal_XRQ


def _turned(vector_XRQ: Floats, turn_2RQ: Floats, *, inverse: bool = False) -> Floats:
    cos, sin = turn_2RQ
    if inverse:
        sin = -sin
    x, y, z = vector_XRQ
    return np.stack([cos * x - sin * y, sin * x + cos * y, z])


def _enter_box(boxes: Boxes, box: int, origin_XRQ: Floats, direction_XRQ: Floats) -> tuple[Floats, Ints]:
    """Distance at which rays enter a box, infinite where they do not, and the axis of the face."""
    turn_2RQ = boxes.turn_2RF[:, :, box, None]
    own_origin = _turned(origin_XRQ - boxes.centre_XRF[:, :, box, None], turn_2RQ, inverse=True)
    own_direction = _turned(direction_XRQ, turn_2RQ, inverse=True)
    own_direction = np.where(np.abs(own_direction) < _TINY, _TINY, own_direction)
    middle, reach = -own_origin / own_direction, boxes.half_XRF[:, :, box, None] / np.abs(own_direction)
    entries, leave_RQ = middle - reach, (middle + reach).min(axis=0)
    enter_RQ = entries.max(axis=0)
    met_RQ: Bools = (enter_RQ < leave_RQ) & (enter_RQ > 0) & boxes.exists_RF[:, box, None]
    return np.where(met_RQ, enter_RQ, np.inf), entries.argmax(axis=0)


def _enter_globe(offset_XRQ: Floats, direction_XRQ: Floats, radius_R1: Floats) -> Floats:
    """Distance at which rays enter a sphere, infinite where they do not."""
    square_RQ = (direction_XRQ**2).sum(axis=0)
    half_RQ = (offset_XRQ * direction_XRQ).sum(axis=0)
    beyond_RQ = (offset_XRQ**2).sum(axis=0) - radius_R1**2
    root_RQ = half_RQ**2 - square_RQ * beyond_RQ
    entry_RQ = (-half_RQ - np.sqrt(np.maximum(root_RQ, 0.0))) / square_RQ
    return np.where((root_RQ > 0) & (entry_RQ > 0), entry_RQ, np.inf)
