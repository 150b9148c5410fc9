import threading
import time
from collections.abc import Callable

import pytest

from dymu.run.background import Background


def refuse() -> None:
    raise ValueError("a mistake")


def test_it_acts_again_and_again_and_once_at_the_end(
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    calls: list[int] = []
    with Background(lambda: calls.append(threading.get_ident()), period_s=0.01):
        eventually(lambda: len(calls) > 2)
        during = len(calls)
    assert len(calls) > during
    assert threading.get_ident() not in calls


def test_a_long_period_does_not_delay_the_end() -> None:
    calls: list[None] = []
    began = time.monotonic()
    with Background(lambda: calls.append(None), period_s=100.0):
        pass
    assert time.monotonic() - began < 10
    assert calls == [None]


def test_it_knows_what_it_costs() -> None:
    def work() -> None:
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    with Background(work, period_s=0.01) as background:
        pass
    assert background.cpu_seconds >= 0.05


def test_an_error_is_raised_where_it_is_seen() -> None:
    with pytest.raises(ValueError, match="a mistake"), Background(refuse, period_s=0.01):
        time.sleep(0.1)


def test_an_error_of_the_block_is_not_hidden() -> None:
    with pytest.raises(KeyError), Background(refuse, period_s=0.01):
        raise KeyError("block")
