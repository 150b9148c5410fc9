import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dymu.artifacts.store import Store
from dymu.run.cluster import walker
from dymu.run.cluster.admission import Admission
from dymu.run.cluster.walker import Walk, _crash
from dymu.run.compute import leave_error
from dymu.run.execute import ChainEnd
from dymu.run.place import Place
from dymu.run.plan import Chain, Plan
from dymu.run.queue import ChainQueue
from dymu.run.resources import GIB
from dymu.run.work import Failure

Planner = Callable[..., Plan]


@pytest.fixture
def queue(planner: Planner) -> ChainQueue:
    return ChainQueue(planner("toy_question"))


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def walk(queue: ChainQueue, store: Store, place: Place, stop: threading.Event) -> Walk:
    admission = Admission([{"CPU": 1, "memory": 8 * GIB}])
    return Walk(queue, admission, store, place, stop.is_set)


def begun(walk: Walk) -> Chain:
    chain = walk.next()
    assert chain is not None
    return chain


def good(chain: Chain) -> ChainEnd:
    return ChainEnd(name=chain.name)


def test_a_chain_that_does_not_fit_waits_and_keeps_the_others_behind_it(
    walk: Walk, queue: ChainQueue
) -> None:
    anchor = begun(walk)
    assert walk.next() is None  # nothing is ready
    walk.ended(anchor, good(anchor))
    first, ahead = begun(walk), begun(walk)  # one CPU, and one chain in advance
    walk.ended(first, good(first))
    third = begun(walk)
    assert walk.next() is None  # it waits for a CPU
    walk.ended(ahead, good(ahead))
    assert {chain.name for chain in queue.running} >= {third.name}
    rest = begun(walk)
    walk.ended(third, good(third))
    walk.ended(rest, good(rest))
    assert walk.over


def test_a_chain_that_waits_for_somebody_else_comes_again(
    walk: Walk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walker, "_LOOK_S", 0.0)
    anchor = begun(walk)
    with store.lease(anchor.name):
        walk.ended(anchor, ChainEnd(name=anchor.name, waits_for=anchor.name))
        assert walk.next() is None
        assert not walk.over
    again = begun(walk)
    assert again.name == anchor.name
    walk.ended(again, good(again))
    assert begun(walk).name != anchor.name


def test_after_a_stop_nothing_starts_and_what_waits_is_dropped(
    walk: Walk, store: Store, stop: threading.Event
) -> None:
    anchor = begun(walk)
    with store.lease(anchor.name):
        walk.ended(anchor, ChainEnd(name=anchor.name, waits_for=anchor.name))
        stop.set()
        assert walk.next() is None
        assert walk.over


def test_an_interrupted_chain_stops_the_queue(walk: Walk, queue: ChainQueue) -> None:
    anchor = begun(walk)
    walk.ended(anchor, ChainEnd(name=anchor.name, interrupted=True))
    assert walk.over
    assert queue.failures == {}


def test_a_failure_is_told_to_the_queue(walk: Walk, queue: ChainQueue) -> None:
    anchor = begun(walk)
    failure = Failure(address=anchor.name, kind="TrainingError", message="not finite", step=3, log="")
    walk.ended(anchor, ChainEnd(name=anchor.name, failure=failure))
    assert set(queue.failures.values()) == {failure}
    assert walk.over


def test_a_trial_without_a_word_leaves_what_is_known(planner: Planner, store: Store, tmp_path: Path) -> None:
    (chain,) = planner("toy_studies:ours").chains
    failure = _crash(chain, store, tmp_path, "00001")
    assert failure.address == chain.steps[0].address
    assert "was it killed, or out of memory?" in failure.message
    report = tmp_path / "dymu" / "00001" / "error.txt"
    report.parent.mkdir(parents=True)
    report.write_text("Traceback\nActorDiedError: the actor is dead because its node has died.\n")
    assert _crash(chain, store, tmp_path, "00001").message.startswith("ActorDiedError")
    leave_error(chain.steps[0], store, ValueError("of the stage"), token="")
    assert _crash(chain, store, tmp_path, "00001").message == "of the stage"
