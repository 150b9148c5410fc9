import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.location import open_store
from dymu.artifacts.store import Store
from dymu.run.jobs.client import Job
from dymu.run.live import announce, drain_flag, stop_now_flag

Dymu = Callable[..., Any]

AT = ("--address", "http://127.0.0.1:8265")
NAME = "toy_studies-ours"


@contextmanager
def living(store: Store, flag: str) -> Iterator[None]:
    """A driver that ends when a flag is raised."""
    ready = threading.Event()

    def drive() -> None:
        with announce(store, [NAME]):
            ready.set()
            for _ in range(12000):
                if store.flag(flag).raised():
                    break
                threading.Event().wait(0.01)
        store.flag(flag).lower()

    driver = threading.Thread(target=drive)
    driver.start()
    assert ready.wait(120)
    try:
        yield
    finally:
        driver.join(150)
    assert not driver.is_alive()


@pytest.fixture
def store(run_here: Dymu, tmp_path: Path) -> Store:
    """A store with a study that is finished."""
    run_here("toy_studies:ours")
    return open_store(str(tmp_path / "store"))


@pytest.mark.parametrize(("words", "flag"), [((), drain_flag), (("--now",), stop_now_flag)])
def test_a_driver_is_asked_through_the_store(
    dymu: Dymu, store: Store, words: tuple[str, ...], flag: Callable[[str], str]
) -> None:
    with living(store, flag(NAME)):
        said = dymu("stop", NAME, *words)
    assert said.code == 0, said.err
    assert "Ended after" in said.out
    assert "5 of 5 steps are done" in said.out


def test_the_one_that_runs_needs_no_name(dymu: Dymu, store: Store) -> None:
    with living(store, drain_flag(NAME)):
        assert f"Stopping {NAME}: its steps write their checkpoints" in dymu("stop").flat


def test_a_job_is_known_to_the_store_too(dymu: Dymu, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYMU_SUBMISSION", "toy-7")
    with living(store, drain_flag(NAME)):
        assert f"Stopping {NAME}" in dymu("stop", "toy-7").flat


def test_what_does_not_run_cannot_be_stopped(dymu: Dymu, store: Store) -> None:
    said = dymu("stop", NAME)
    assert said.code == 4
    assert f"{NAME} does not run" in said.err
    assert not store.flag(drain_flag(NAME)).raised()


def test_a_job_gets_a_signal(dymu: Dymu, store: Store, cluster: Any) -> None:
    told = {"dymu.studies": NAME, "dymu.store": store.location}
    cluster.jobs = [Job(id="toy-1", status="RUNNING", metadata=told)]
    said = dymu("stop", *AT)
    assert said.code == 0, said.err
    assert cluster.stopped == ["toy-1"]
    assert "Stopping job toy-1" in said.out


def test_a_job_whose_store_is_not_seen_is_stopped_too(dymu: Dymu, cluster: Any) -> None:
    told = {"dymu.studies": NAME, "dymu.store": "/mnt/only-there"}
    cluster.jobs = [Job(id="toy-1", status="RUNNING", metadata=told)]
    said = dymu("stop", "toy-1", *AT)
    assert said.code == 0, said.err
    assert cluster.stopped == ["toy-1"]


def test_without_the_cluster_the_store_is_used(dymu: Dymu, store: Store, cluster: Any) -> None:
    cluster.down = True
    with living(store, drain_flag(NAME)):
        said = dymu("stop", NAME, *AT)
    assert said.code == 0
    assert "Asking through the store instead" in said.err


def test_who_does_not_end_is_told(
    dymu: Dymu, store: Store, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"dymu.studies": NAME, "dymu.store": store.location}
    cluster.jobs = [Job(id="toy-1", status="RUNNING", metadata=told)]
    cluster.end = lambda *_: None
    monkeypatch.setattr("dymu.run.jobs.submission.STOP_WAIT_S", 0.1)
    monkeypatch.setattr("dymu.commands.stop._MARGIN_S", 0.1)
    said = dymu("stop", *AT)
    assert said.code == 3
    assert "did not end within" in said.err


def test_what_was_interrupted_says_where_it_goes_on(dymu: Dymu, store: Store, cluster: Any) -> None:
    (address,) = store.addresses("weight")
    (final,) = store.addresses("evaluate")
    store.remove(address)
    store.remove(final)
    (store.work_dir(address) / "progress.json").write_text(
        '{"state": "interrupted", "step": 3, "total": 5, "rate": 1.0, "address": "x", "stage": "weight"}'
    )
    told = {"dymu.studies": NAME, "dymu.store": store.location}
    cluster.jobs = [Job(id="toy-1", status="RUNNING", metadata=told)]
    said = dymu("stop", *AT)
    assert "baseline seed 0 weight goes on at step 3 of 5" in said.flat
    assert "The same `dymu run` or `dymu submit` goes on from there" in said.flat
