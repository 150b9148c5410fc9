from collections.abc import Callable

import numpy as np
import pytest

from dymu.data.rooms.raycast import camera_rays, first_hits, surface_normals
from dymu.data.rooms.shapes import Floats, Ints, Rooms
from dymu.data.rooms.surfaces import CLASSES, lamp_light, photographed, surface_classes

MakeRoom = Callable[..., Rooms]


def seen(room: Rooms, *directions: list[float]) -> list[str]:
    """Names of the classes that rays from the camera meet."""
    origin, direction = room.camera_XR[:, :, None], np.array(directions, dtype=float).T[:, None, :]
    hits = first_hits(room, origin, direction)
    classes, _ = surface_classes(room, hits, origin + hits.distance_RQ * direction)
    return [CLASSES[index] for index in classes[0]]


def view(rooms: Rooms, size: int) -> tuple[Floats, Floats, Ints, Ints]:
    """Points, normals, classes and paints of pictures."""
    origin, direction = rooms.camera_XR[:, :, None], camera_rays(rooms, size, 0.7)
    hits = first_hits(rooms, origin, direction)
    point = origin + hits.distance_RQ * direction
    return point, surface_normals(rooms, hits, point, direction), *surface_classes(rooms, hits, point)


def test_floor_ceiling_and_walls_are_told_apart(make_room: MakeRoom) -> None:
    room = make_room()
    assert seen(room, [0, 0, -1], [0, 0, 1], [1, 0, 0], [0, -1, 0]) == ["floor", "ceiling", "wall", "wall"]


def test_things_are_told_apart(make_room: MakeRoom) -> None:
    room = make_room(boxes=[([2, 4, 1.5], [0.5, 0.25, 1.5], 0.0)], globes=[([3, 2.5, 1.5], 0.25)])
    assert seen(room, [0, 1, 0], [1, 0, 0], [-1, 0, 0]) == ["box", "globe", "wall"]


@pytest.mark.parametrize(
    ("wall", "direction"), [(0, [-1, 0, 0]), (1, [1, 0, 0]), (2, [0, -1, 0]), (3, [0, 1, 0])]
)
def test_a_picture_hangs_on_its_wall_only(make_room: MakeRoom, wall: int, direction: list[float]) -> None:
    middle = 2.5 if wall < 2 else 2.0
    room = make_room(panels=[(wall, [middle - 0.3, 1.2], [middle + 0.3, 1.8], False)])
    others: list[list[float]] = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]
    others.remove(direction)
    assert seen(room, direction) == ["picture"]
    assert seen(room, *others) == ["wall"] * 3


def test_a_picture_ends_where_it_ends(make_room: MakeRoom) -> None:
    room = make_room(panels=[(3, [1.5, 1.25], [2.5, 1.75], False)])
    inside, beside, above = [0.19, 1, 0.09], [0.21, 1, 0], [0, 1, 0.11]
    assert seen(room, inside, beside, above) == ["picture", "wall", "wall"]


def test_a_door_covers_a_picture(make_room: MakeRoom) -> None:
    room = make_room(panels=[(3, [1.5, 1.25], [2.5, 1.75], False), (3, [1.9, 0], [2.1, 2], True)])
    assert seen(room, [0, 1, 0], [0.1, 1, 0]) == ["door", "picture"]


def test_every_class_is_seen_somewhere(many_rooms: Rooms) -> None:
    _, _, classes, _ = view(many_rooms, 16)
    assert np.unique(classes).tolist() == list(range(len(CLASSES)))


def test_a_paint_belongs_to_one_class_in_a_room(many_rooms: Rooms) -> None:
    _, _, classes, paints = view(many_rooms, 16)
    for class_Q, paint_Q in zip(classes, paints, strict=True):
        pairs = set(zip(class_Q.tolist(), paint_Q.tolist(), strict=True))
        assert len({paint for _, paint in pairs}) == len(pairs)


def test_pictures_are_bytes_and_depend_on_the_generator_only(many_rooms: Rooms) -> None:
    point, normal, _, paints = view(many_rooms, 8)
    first, again, other = (
        photographed(many_rooms, point, normal, paints, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first.dtype == np.uint8
    assert first.shape == (len(many_rooms), 3, 64)
    assert (first == again).all()
    assert (first != other).any()


def test_pictures_use_their_range_and_are_seldom_cut_off(many_rooms: Rooms) -> None:
    point, normal, _, paints = view(many_rooms, 8)
    levels = photographed(many_rooms, point, normal, paints, rng=np.random.default_rng(0))
    assert levels.std() > 30
    assert ((levels == 0) | (levels == 255)).mean() < 0.1


def test_light_follows_the_cosine(make_room: MakeRoom) -> None:
    room = make_room()
    point = np.array([[[2.0, 2.0]], [[2.0, 4.0]], [[0.0, 0.0]]])
    up = np.zeros_like(point)
    up[2] = 1
    light = lamp_light(room, point, up, np.array([[2.0], [2.0], [2.0]]))
    np.testing.assert_allclose(light, [[1.0, np.sqrt(0.5)]], atol=1e-5)


def test_a_surface_that_faces_away_is_dark(make_room: MakeRoom) -> None:
    room = make_room()
    point, down = np.array([[[2.0]], [[2.0]], [[3.0]]]), np.array([[[0.0]], [[0.0]], [[-1.0]]])
    assert lamp_light(room, point, -down, np.array([[1.0], [1.0], [2.0]])) == 0


@pytest.mark.parametrize("thing", ["box", "globe"])
def test_things_cast_shadows(make_room: MakeRoom, thing: str) -> None:
    room = (
        make_room(boxes=[([2, 2.5, 1], [0.4, 0.4, 0.5], 0.3)])
        if thing == "box"
        else make_room(globes=[([2, 2.5, 1], 0.4)])
    )
    point = np.array([[[2.0, 0.2]], [[2.5, 0.2]], [[0.0, 0.0]]])
    up = np.zeros_like(point)
    up[2] = 1
    below, beside = lamp_light(room, point, up, np.array([[2.0], [2.5], [2.9]]))[0]
    assert below == 0
    assert beside > 0
