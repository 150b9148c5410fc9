"""Notices that the head of a cluster is gone, before Ray ends this process without a word."""

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import ClassVar

from dymu.errors import BackendError

_RAY_PATIENCE = "RAY_gcs_rpc_server_reconnect_timeout_s"
_RAY_PATIENCE_S = 60.0
_LOOK_S = 1.0
_KNOCK_S = 5.0
GO_ON = "Finished steps and checkpoints are kept; run the same command again."


class HeadLostError(BackendError):
    """The head of the cluster does not answer any more; nothing more can be asked of Ray.

    At the end of a process Ray's libraries wait for the head, and then end it by a signal.
    """

    at_once: ClassVar[bool] = True


def patience() -> float:
    """How many seconds a head may be away: half of what Ray grants it before it ends this process."""
    return float(os.environ.get(_RAY_PATIENCE) or _RAY_PATIENCE_S) / 2


def while_head_answers(work: Callable[[], None], *, head: str, patience_s: float) -> None:
    """Do something in a thread of its own, until it ends or the head has been away for too long.

    The thread that calls this stays free for signals, and for leaving: without a head, calls of Ray do not
    return.

    Args:
        work: What is done.
        head: ``host:port`` of the head.
        patience_s: How long it may be away.

    Raises:
        HeadLostError: If the head was away for too long.
        BaseException: What ``work`` raised.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for this one
            raised.append(error)

    thread = threading.Thread(target=run, name="dymu-tune", daemon=True)
    thread.start()
    seen = time.monotonic()
    while thread.is_alive():
        thread.join(_LOOK_S)
        if answers(head):
            seen = time.monotonic()
        elif time.monotonic() - seen > patience_s:
            raise HeadLostError(
                f"the head of the cluster at {head} has not answered for {patience_s:g} s. {GO_ON} "
                "Another cluster that sees the same store will do."
            )
    if raised:
        raise raised[0]


def answers(head: str) -> bool:
    """Whether somebody listens at an address."""
    host, _, port = head.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()
    except OSError:
        return False
    return True
