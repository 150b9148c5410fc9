"""Toy studies in a working directory of their own, planned and run without a command line."""

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dymu.artifacts.store import Store
from dymu.run.place import Place
from dymu.run.plan import Plan, make_plan
from dymu.run.provenance import CodeVersion
from dymu.run.queue import ChainQueue
from dymu.run.target import Request, resolve

Planner = Callable[..., Plan]

TOYS = Path(__file__).parent / "toys"


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of toy modules, as working directory."""
    monkeypatch.setattr(sys, "path", [str(TOYS), *sys.path])
    monkeypatch.chdir(TOYS)
    return TOYS


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


@pytest.fixture
def place() -> Place:
    """This process, with code of no known revision."""
    return Place(code=CodeVersion(revision=None, dirty=None, lock=None), checkpoint_seconds=0.0)


@pytest.fixture
def planner(toys: Path, store: Store) -> Planner:
    """Plans a target of the toys against the store."""

    def plan(text: str, seeds: tuple[int, ...] = (0,), **request: object) -> Plan:
        targets = resolve(Request(text=text, **request), folder=toys)  # type: ignore[arg-type]
        return make_plan(targets, seeds, has=store.has)

    return plan


@pytest.fixture
def while_training(store: Store) -> Iterator[Callable[..., None]]:
    """Does things from another thread: the first once a stage has a checkpoint, the next 0.3 s later each.

    A delay from the start of the test instead would send a signal to a process that does not handle it yet.
    """
    over = threading.Event()
    threads = []

    def do(stage: str, *acts: Callable[[], object]) -> None:
        def follow() -> None:
            while not any((store.root / "work" / stage).glob("*/checkpoint.pt")):
                if over.wait(0.02):
                    return
            for act in acts:
                act()
                if over.wait(0.3):
                    return

        threads.append(threading.Thread(target=follow))
        threads[-1].start()

    yield do
    over.set()
    for thread in threads:
        thread.join()
    gc.collect()  # what an interrupt has left open is told while this test may still ignore it


@pytest.fixture
def finish() -> Callable[[ChainQueue], list[str]]:
    """Takes and finishes chains until none is ready; their stages, in order."""

    def run(queue: ChainQueue) -> list[str]:
        order = []
        while (chain := queue.take()) is not None:
            order += [step.stage for step in chain.steps]
            queue.finish(chain.name)
        return order

    return run
