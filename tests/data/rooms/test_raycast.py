from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from dymu.data.rooms.layout import NUM_BOXES
from dymu.data.rooms.raycast import Hits, camera_rays, first_hits, pixel_rays, surface_normals
from dymu.data.rooms.shapes import Bools, Floats, Rooms

MakeRoom = Callable[..., Rooms]


def shoot(room: Rooms, *directions: list[float]) -> tuple[Hits, Floats, Floats]:
    """Rays from the camera of a single room: hits, points and normals."""
    origin = room.camera_XR[:, :, None]
    direction = np.array(directions, dtype=float).T[:, None, :]
    hits = first_hits(room, origin, direction)
    point = origin + hits.distance_RQ * direction
    return hits, point, surface_normals(room, hits, point, direction)


@pytest.fixture(scope="module")
def cast(many_rooms: Rooms) -> tuple[Hits, Floats, Floats, Floats]:
    """Hits, points, normals and directions of all rooms at 12 x 12 pixels."""
    direction = camera_rays(many_rooms, 12, 0.7)
    hits = first_hits(many_rooms, many_rooms.camera_XR[:, :, None], direction)
    point = many_rooms.camera_XR[:, :, None] + hits.distance_RQ * direction
    return hits, point, surface_normals(many_rooms, hits, point, direction), direction


def in_box(rooms: Rooms, box: int, point_XRQ: Floats) -> Floats:
    """Points in a box's own axes, in units of its half sizes."""
    x, y, z = point_XRQ - rooms.boxes.centre_XRF[:, :, box, None]
    cos, sin = rooms.boxes.turn_2RF[:, :, box, None]
    own: Floats = np.stack([cos * x + sin * y, cos * y - sin * x, z])
    return own / rooms.boxes.half_XRF[:, :, box, None]


def inside_something(rooms: Rooms, point_XRQ: Floats) -> Bools:
    inside = np.zeros(point_XRQ.shape[1:], dtype=bool)
    inside |= ((point_XRQ < 0) | (point_XRQ > rooms.size_XR[:, :, None])).any(axis=0)
    for box in range(NUM_BOXES):
        within = (np.abs(in_box(rooms, box, point_XRQ)) < 1).all(axis=0)
        inside |= within & rooms.boxes.exists_RF[:, box, None]
    for globe in range(rooms.globes.exists_RG.shape[1]):
        offset = point_XRQ - rooms.globes.centre_XRG[:, :, globe, None]
        within = (offset**2).sum(axis=0) < rooms.globes.radius_RG[:, globe, None] ** 2
        inside |= within & rooms.globes.exists_RG[:, globe, None]
    return inside


def test_pixel_rays_start_at_the_upper_left_and_advance_by_one() -> None:
    rays = pixel_rays(4, 0.8)
    np.testing.assert_allclose(rays[:, 0], [-0.6, 0.6, -1])
    np.testing.assert_allclose(rays[:, 1], [-0.2, 0.6, -1])
    np.testing.assert_allclose(rays[:, -1], [0.6, -0.6, -1])


def test_camera_rays_advance_by_one_along_the_optical_axis(many_rooms: Rooms) -> None:
    rays = camera_rays(many_rooms, 5, 0.7)
    ahead = (rays * -many_rooms.axes_XXR[:, 2, :, None]).sum(axis=0)
    np.testing.assert_allclose(ahead, 1)


@pytest.mark.parametrize(
    ("direction", "distance", "axis", "normal"),
    [
        ([1, 0, 0], 2, 0, [-1, 0, 0]),
        ([-1, 0, 0], 2, 0, [1, 0, 0]),
        ([0, 1, 0], 2.5, 1, [0, -1, 0]),
        ([0, 0, 2], 0.75, 2, [0, 0, -1]),
        ([0, 0, -1], 1.5, 2, [0, 0, 1]),
        ([1, 1, 0], 2, 0, [-1, 0, 0]),
    ],
)
def test_an_empty_room_is_met_at_its_walls(
    make_room: MakeRoom, direction: list[float], distance: float, axis: int, normal: list[float]
) -> None:
    hits, _, normals = shoot(make_room(), direction)
    assert hits.distance_RQ.item() == pytest.approx(distance)
    assert (hits.object_RQ.item(), hits.axis_RQ.item()) == (0, axis)
    np.testing.assert_array_equal(normals[:, 0, 0], normal)


def test_a_box_is_met_at_its_near_face(make_room: MakeRoom) -> None:
    room = make_room(boxes=[([2, 4, 1.5], [0.5, 0.25, 1.5], 0.0)])
    hits, _, normals = shoot(room, [0, 1, 0], [0.2, 1, 0], [1, 1, 0])
    np.testing.assert_allclose(hits.distance_RQ, [[1.25, 1.25, 2.0]])
    assert hits.object_RQ.tolist() == [[1, 1, 0]]
    np.testing.assert_array_equal(normals[:, 0, 0], [0, -1, 0])


def test_a_turned_box_shows_its_edge(make_room: MakeRoom) -> None:
    room = make_room(boxes=[([2, 4, 1.5], [0.5, 0.5, 1.5], np.pi / 4)])
    hits, _, normals = shoot(room, [1e-6, 1, 0], [-1e-6, 1, 0])
    np.testing.assert_allclose(hits.distance_RQ, 1.5 - np.sqrt(0.5), atol=1e-5)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(normals[:, 0].T, [[half, -half, 0], [-half, -half, 0]], atol=1e-12)


def test_a_globe_is_met_on_its_near_side(make_room: MakeRoom) -> None:
    room = make_room(globes=[([2, 4, 1.5], 0.5)])
    hits, point, normals = shoot(room, [0, 2, 0], [0.1, 1, 0], [0, -1, 0])
    assert hits.object_RQ.tolist() == [[1, 1, 0]]
    assert hits.distance_RQ[0, 0] == pytest.approx(0.5)
    np.testing.assert_allclose(normals[:, 0, 0], [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(normals[:, 0, 1], (point[:, 0, 1] - [2, 4, 1.5]) / 0.5)


def test_the_nearer_object_hides_the_other(make_room: MakeRoom) -> None:
    box, globe = ([2, 4.5, 1.5], [1.0, 0.25, 1.5], 0.0), ([2, 3.5, 1.5], 0.25)
    hits, _, _ = shoot(make_room(boxes=[box], globes=[globe]), [0, 1, 0], [0.3, 1, 0])
    assert hits.object_RQ.tolist() == [[2, 1]]


def test_what_does_not_exist_is_not_seen(
    many_rooms: Rooms, cast: tuple[Hits, Floats, Floats, Floats]
) -> None:
    exists = np.concatenate(
        [np.ones((len(many_rooms), 1), dtype=bool), many_rooms.boxes.exists_RF, many_rooms.globes.exists_RG],
        axis=1,
    )
    assert np.take_along_axis(exists, cast[0].object_RQ, axis=1).all()


def test_every_point_lies_on_the_surface_that_is_named(
    many_rooms: Rooms, cast: tuple[Hits, Floats, Floats, Floats]
) -> None:
    hits, point, _, _ = cast
    walls = np.minimum(np.abs(point), np.abs(point - many_rooms.size_XR[:, :, None]))
    off = np.take_along_axis(walls, hits.axis_RQ[None], axis=0)[0]
    for box in range(NUM_BOXES):
        gap = np.abs(np.abs(in_box(many_rooms, box, point)) - 1)
        off = np.where(hits.object_RQ == 1 + box, np.take_along_axis(gap, hits.axis_RQ[None], axis=0)[0], off)
    for globe in range(many_rooms.globes.exists_RG.shape[1]):
        offset = point - many_rooms.globes.centre_XRG[:, :, globe, None]
        gap_RQ = np.abs(np.sqrt((offset**2).sum(axis=0)) - many_rooms.globes.radius_RG[:, globe, None])
        off = np.where(hits.object_RQ == 1 + NUM_BOXES + globe, gap_RQ, off)
    assert off.max() < 1e-9


def test_nothing_is_nearer_than_the_hit(many_rooms: Rooms, cast: tuple[Hits, Floats, Floats, Floats]) -> None:
    hits, _, _, direction = cast
    for share in np.linspace(0.01, 0.999, 60):
        before = many_rooms.camera_XR[:, :, None] + share * hits.distance_RQ * direction
        assert not inside_something(many_rooms, before).any()


def test_normals_have_unit_length_and_face_the_ray(cast: tuple[Hits, Floats, Floats, Floats]) -> None:
    _, _, normal, direction = cast
    np.testing.assert_allclose((normal**2).sum(axis=0), 1)
    assert ((normal * direction).sum(axis=0) < 0).all()


def test_shadow_rays_start_anywhere(make_room: MakeRoom) -> None:
    room = make_room(boxes=[([2, 4, 0.5], [0.5, 0.5, 0.5], 0.0)])
    origin: NDArray[np.float64] = np.array([[[2.0, 0.5]], [[4.0, 0.5]], [[1.0 + 1e-6, 1.0]]])
    hits = first_hits(room, origin, np.array([[[0.0, 1.5]], [[0.0, 3.5]], [[1.0, -0.5]]]))
    assert hits.object_RQ.tolist() == [[0, 1]]
