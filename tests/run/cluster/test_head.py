import socket
import threading
import time
from collections.abc import Iterator

import pytest

from dymu.errors import BackendError
from dymu.run.cluster.head import HeadLostError, answers, patience, while_head_answers


@pytest.fixture
def head() -> Iterator[tuple[str, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}", server


def test_a_head_answers_while_it_listens(head: tuple[str, socket.socket]) -> None:
    address, server = head
    assert answers(address)
    server.close()
    assert not answers(address)


def test_work_is_done_in_a_thread_and_its_end_is_awaited(head: tuple[str, socket.socket]) -> None:
    seen: list[bool] = []
    while_head_answers(
        lambda: seen.append(threading.current_thread() is threading.main_thread()),
        head=head[0],
        patience_s=1.0,
    )
    assert seen == [False]


def test_an_error_of_the_work_is_raised(head: tuple[str, socket.socket]) -> None:
    def fail() -> None:
        raise BackendError("no node is left")

    with pytest.raises(BackendError, match="no node is left"):
        while_head_answers(fail, head=head[0], patience_s=1.0)


def test_a_head_that_stays_away_is_told_although_the_work_hangs(head: tuple[str, socket.socket]) -> None:
    address, server = head
    hangs = threading.Event()

    def work() -> None:
        hangs.wait(60)

    server.close()
    began = time.monotonic()
    with pytest.raises(
        HeadLostError, match=rf"the head of the cluster at {address} has not answered for 0.2 s"
    ):
        while_head_answers(work, head=address, patience_s=0.2)
    assert time.monotonic() - began < 30
    hangs.set()
    assert HeadLostError.at_once


def test_patience_is_shorter_than_that_of_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_gcs_rpc_server_reconnect_timeout_s", raising=False)
    assert patience() == 30.0
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "15")
    assert patience() == 7.5
