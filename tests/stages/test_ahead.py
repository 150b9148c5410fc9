import threading
from collections.abc import Callable, Iterator

import pytest

from dymu.stages.ahead import Ahead

WAIT_S = 120.0


class Maker:
    """Squares, with a note of which thread made which."""

    def __init__(self) -> None:
        self.by: dict[int, str] = {}
        self.made = threading.Condition()

    def __call__(self, number: int) -> int:
        with self.made:
            self.by[number] = threading.current_thread().name
            self.made.notify_all()
        if number == 7:
            raise ValueError("seven")
        return number * number

    def wait_for(self, number: int) -> None:
        with self.made:
            assert self.made.wait_for(lambda: number in self.by, timeout=WAIT_S)


Start = Callable[[Callable[[int], int]], Ahead[int]]


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Ahead[int]] = []

    def begin(make: Callable[[int], int]) -> Ahead[int]:
        running.append(Ahead(make))
        return running[-1]

    yield begin
    for ahead in running:
        ahead.close()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("dymu-ahead")]


def test_values_are_those_of_the_function(start: Start) -> None:
    ahead = start(Maker())
    assert [ahead.at(number) for number in (0, 1, 2, 3, 2, 9, 10)] == [0, 1, 4, 9, 4, 81, 100]


def test_the_next_numbers_are_made_while_nobody_asks(start: Start) -> None:
    make = Maker()
    ahead = start(make)
    ahead.at(3)
    make.wait_for(5)
    here = threading.current_thread().name
    assert make.by[3] == here
    assert make.by[4] == make.by[5] != here
    assert 6 not in make.by


def test_no_number_is_made_twice(start: Start) -> None:
    asked: list[int] = []

    def make(number: int) -> int:
        asked.append(number)
        return number

    ahead = start(make)
    for number in range(20):
        assert ahead.at(number) == number
    ahead.close()
    assert sorted(asked) == sorted(set(asked))
    assert set(range(20)) <= set(asked)


def test_what_the_thread_raises_is_raised_where_the_number_is_asked_for(start: Start) -> None:
    make = Maker()
    ahead = start(make)
    assert ahead.at(5) == 25
    make.wait_for(7)
    assert ahead.at(6) == 36
    with pytest.raises(ValueError, match="seven"):
        ahead.at(7)
    assert ahead.at(8) == 64


def test_an_error_in_a_number_that_nobody_asks_for_is_none(start: Start) -> None:
    make = Maker()
    ahead = start(make)
    ahead.at(6)
    make.wait_for(7)
    assert ahead.at(20) == 400


def test_no_thread_is_left(start: Start) -> None:
    before = threads()
    ahead = start(Maker())
    ahead.at(0)
    assert len(threads()) == len(before) + 1
    ahead.close()
    assert threads() == before


def test_closing_does_not_wait_for_what_has_not_begun(
    start: Start, eventually: Callable[[Callable[[], object]], None]
) -> None:
    began, go = threading.Event(), threading.Event()
    made: list[int] = []

    def make(number: int) -> int:
        if number > 0:
            began.set()
            assert go.wait(WAIT_S)
        made.append(number)
        return number

    ahead = start(make)
    ahead.at(0)
    assert began.wait(WAIT_S)
    waits = ahead._pending[2]
    closing = threading.Thread(target=ahead.close)
    closing.start()
    eventually(waits.cancelled)
    go.set()
    closing.join()
    assert made == [0, 1]
