from collections.abc import Callable

from dymu.data.rooms.shapes import Rooms


def test_length_is_the_number_of_rooms(many_rooms: Rooms, make_room: Callable[..., Rooms]) -> None:
    assert len(many_rooms) == 200
    assert len(make_room()) == 1
