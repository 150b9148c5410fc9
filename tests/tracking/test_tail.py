from pathlib import Path

import pytest

from dymu.errors import TrackingError
from dymu.tracking.spool import METRICS, Spool
from dymu.tracking.tail import Tail


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, address="edge/abc")


@pytest.fixture
def tail(tmp_path: Path) -> Tail:
    return Tail(tmp_path / METRICS)


def test_a_file_that_does_not_exist_has_no_lines(tail: Tail) -> None:
    assert tail.read() == []


def test_each_line_is_read_once(spool: Spool, tail: Tail) -> None:
    spool.log(1, {"loss": 0.5})
    assert tail.read() == [(1, {"loss": 0.5})]
    spool.log(2, {"loss": 0.4})
    assert tail.read() == [(2, {"loss": 0.4})]
    assert tail.read() == []


def test_a_half_written_line_waits_for_its_end(spool: Spool, tail: Tail) -> None:
    with spool.metrics_file.open("a") as file:
        file.write('{"step": 1, "metrics"')
        file.flush()
        assert tail.read() == []
        file.write(': {"loss": 2}}\n')
    assert tail.read() == [(1, {"loss": 2.0})]


def test_a_rewound_file_is_read_again(spool: Spool, tail: Tail) -> None:
    for step in range(4):
        spool.log(step, {"loss": 1.0})
    tail.read()
    spool.rewind(2)
    for step in range(2, 8):
        spool.log(step, {"loss": 1.0})
    assert [step for step, _ in tail.read()] == list(range(8))


def test_a_damaged_line_is_an_error_that_names_the_file(spool: Spool, tail: Tail) -> None:
    spool.metrics_file.write_text("not json\n")
    with pytest.raises(TrackingError, match=r"metrics\.jsonl holds a line .*'not json'.*Delete the line"):
        tail.read()
