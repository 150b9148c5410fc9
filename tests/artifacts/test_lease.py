import gc
import json
import os
import platform
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts import lease as module
from dymu.artifacts.holder import Holder, loads_holder, this_process
from dymu.artifacts.lease import Lease, holders
from dymu.artifacts.register import Entry, FileRegister
from dymu.artifacts.store import Store
from dymu.errors import StoreError

ADDRESS = "edge/00000000000000aa"

HOLDER = """
import sys, time
from pathlib import Path
from dymu.artifacts.lease import Lease
from dymu.artifacts.register import FileRegister

lease = Lease(FileRegister(Path(sys.argv[1])), address="edge/00000000000000aa")
print("held" if lease.try_acquire() else "refused", flush=True)
for line in sys.stdin:
    match line.strip():
        case "release":
            lease.release()
            print("released", flush=True)
        case "lost?":
            print(lease.lost, flush=True)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "leases" / "edge" / "00000000000000aa.json"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beats and patience a twentieth of what they are; the ratio stays."""
    monkeypatch.setattr(module, "BEAT_S", 0.1)
    monkeypatch.setattr(module, "TTL_S", 0.4)


def lease_on(file: Path) -> Lease:
    return Lease(FileRegister(file), address=ADDRESS)


def held_elsewhere(run_python: Any, file: Path) -> Any:
    process = run_python(HOLDER, file)
    assert process.stdout.readline() == "held\n"
    return process


def ask(process: Any, line: str) -> str:
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return str(process.stdout.readline().strip())


def foreign(file: Path, **changes: Any) -> Holder:
    """A record that a process of another machine has written."""
    holder = replace(this_process("foreign"), host="node3", **changes)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(holder.dumps())
    return holder


def wait_until_taken(lease: Lease) -> float:
    start = time.monotonic()
    while not lease.try_acquire():
        assert time.monotonic() - start < 60
        time.sleep(0.02)
    return time.monotonic() - start


def test_free_lease_is_taken_at_once(file: Path) -> None:
    lease = lease_on(file)
    assert not lease.held
    assert lease.token == ""
    assert lease.try_acquire()
    assert lease.held
    assert lease.token
    lease.release()
    assert not lease.held
    assert not file.exists()


def test_every_taking_has_its_own_token(file: Path) -> None:
    lease = lease_on(file)
    with lease:
        first = lease.token
    with lease:
        assert lease.token != first


def test_release_of_what_is_not_held_does_nothing(file: Path) -> None:
    lease_on(file).release()
    assert not file.parent.exists()


def test_one_of_two_in_a_process_gets_it(file: Path) -> None:
    first, second = lease_on(file), lease_on(file)
    assert first.try_acquire()
    assert not second.try_acquire()
    first.release()
    assert second.try_acquire()
    second.release()


def test_block_holds_and_gives_back(file: Path) -> None:
    with lease_on(file) as lease:
        assert lease.held
        assert not lease_on(file).try_acquire()
    assert not lease.held


def test_block_gives_back_after_an_error(file: Path) -> None:
    with pytest.raises(ValueError, match="mine"), lease_on(file):
        raise ValueError("mine")
    assert lease_on(file).holder() is None


def test_holder_is_told_to_all(file: Path) -> None:
    before = time.time()
    with lease_on(file) as lease:
        for holder in (lease.holder(), lease_on(file).holder()):
            assert holder is not None
            assert (holder.pid, holder.host) == (os.getpid(), platform.node())
            assert before <= holder.since <= time.time()


def test_free_lease_has_no_holder(file: Path) -> None:
    assert lease_on(file).holder() is None
    assert not file.parent.exists()


@pytest.mark.usefixtures("quick")
def test_holder_beats(file: Path, eventually: Any) -> None:
    with lease_on(file) as lease:
        first = lease.holder()
        assert first is not None
        eventually(lambda: loads_holder(file.read_text()).beat > first.beat)
        later = lease.holder()
        assert later is not None
        assert (later.token, later.since) == (first.token, first.since)
        assert not lease.lost


@pytest.mark.usefixtures("quick")
def test_beating_ends_with_the_lease(file: Path, eventually: Any) -> None:
    lease = lease_on(file)
    assert lease.try_acquire()
    names = [thread.name for thread in threading.enumerate()]
    assert f"lease of {ADDRESS}" in names
    lease.release()
    eventually(lambda: f"lease of {ADDRESS}" not in [thread.name for thread in threading.enumerate()])
    assert not file.exists()


@pytest.mark.usefixtures("quick")
def test_forgotten_lease_stops_to_beat_and_is_free(file: Path) -> None:
    lease = lease_on(file)
    assert lease.try_acquire()
    del lease
    gc.collect()
    with lease_on(file) as other:
        assert other.held


def test_lease_excludes_another_process(file: Path, run_python: Any) -> None:
    process = held_elsewhere(run_python, file)
    lease = lease_on(file)
    assert not lease.try_acquire()
    holder = lease.holder()
    assert holder is not None
    assert holder.pid == process.pid
    assert ask(process, "release") == "released"
    assert lease.holder() is None
    assert lease.try_acquire()
    lease.release()


def test_killed_holder_of_this_machine_is_taken_over_at_once(
    file: Path, run_python: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TTL_S", 1e9)  # silence frees nothing
    process = held_elsewhere(run_python, file)
    waited: list[Holder] = []
    taken: list[bool] = []

    def wait() -> None:
        with_wait = lease_on(file)
        with_wait.acquire(timeout=120, on_wait=waited.append)
        taken.append(with_wait.held)
        with_wait.release()

    waiter = threading.Thread(target=wait)
    waiter.start()
    eventually(lambda: waited)
    assert waited[0].pid == process.pid
    os.kill(process.pid, signal.SIGKILL)
    waiter.join()
    assert taken == [True]
    assert len(waited) == 1
    assert lease_on(file).holder() is None


def test_record_of_a_killed_holder_is_not_believed(file: Path, run_python: Any) -> None:
    process = held_elsewhere(run_python, file)
    process.kill()
    process.wait()
    assert json.loads(file.read_text())["pid"] == process.pid
    assert lease_on(file).holder() is None
    with lease_on(file) as lease:
        holder = lease.holder()
        assert holder is not None
        assert holder.pid == os.getpid()


@pytest.mark.usefixtures("quick")
def test_silent_holder_of_another_machine_is_taken_over_after_it_was_watched(file: Path) -> None:
    foreign(file)
    lease = lease_on(file)
    assert not lease.try_acquire()
    assert 0.2 < wait_until_taken(lease) < 30
    lease.release()


@pytest.mark.parametrize("skew_s", [-86400.0, 86400.0])
@pytest.mark.usefixtures("quick")
def test_clocks_that_disagree_change_nothing(file: Path, skew_s: float) -> None:
    now = time.time() + skew_s
    holder, lease = foreign(file, since=now, beat_at=now), lease_on(file)
    for number in range(1, 13):
        file.write_text(replace(holder, beat=number, beat_at=time.time() + skew_s).dumps())
        for _ in range(2):
            assert not lease.try_acquire()
            time.sleep(0.05)
    assert 0.1 < wait_until_taken(lease) < 30
    lease.release()


@pytest.mark.parametrize("skew_s", [-86400.0, 86400.0])
@pytest.mark.usefixtures("quick")
def test_holder_whose_clock_disagrees_is_told(
    file: Path, skew_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = foreign(file, beat_at=time.time() + skew_s)

    def beat(_seconds: float) -> None:
        file.write_text(replace(holder, beat=1, beat_at=time.time() + skew_s).dumps())

    monkeypatch.setattr(time, "sleep", beat)  # it beats while it is watched
    found = lease_on(file).holder()
    assert found is not None
    assert (found.host, found.beat) == ("node3", 1)


@pytest.mark.usefixtures("quick")
def test_silence_of_a_watcher_that_slept_is_not_the_holders(file: Path) -> None:
    foreign(file)
    lease = lease_on(file)
    assert not lease.try_acquire()
    time.sleep(1.0)  # longer than the patience, but nobody looked
    assert not lease.try_acquire()


@pytest.mark.usefixtures("quick")
def test_dead_holder_of_another_machine_is_not_told_for_ever(file: Path) -> None:
    foreign(file, beat_at=time.time() - 1000)
    assert lease_on(file).holder() is None


@pytest.mark.usefixtures("quick")
def test_many_dead_holders_are_watched_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"edge/{index:016x}": tmp_path / f"{index}.json" for index in range(20)}
    for path in files.values():
        foreign(path, beat_at=0.0)
    naps: list[float] = []
    sleep = time.sleep

    def nap(seconds: float) -> None:
        naps.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", nap)
    assert holders({key: lease_on(path) for key, path in files.items()}) == {}
    assert sum(naps) < 2  # one after another they take eight seconds


def test_suspended_holder_finds_that_it_lost(
    file: Path, run_python: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = held_elsewhere(run_python, file)
    assert ask(process, "lost?") == "False"
    monkeypatch.setattr(module, "TTL_S", 0.4)
    monkeypatch.setattr(module, "BEAT_S", 0.1)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        with lease_on(file) as lease:
            wait_for = lease.token
            os.kill(process.pid, signal.SIGCONT)
            deadline = time.monotonic() + 30
            while ask(process, "lost?") != "True":
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert loads_holder(file.read_text()).token == wait_for
            assert not lease.lost
    finally:
        os.kill(process.pid, signal.SIGCONT)


@pytest.mark.usefixtures("quick")
def test_lost_lease_is_not_held_and_its_release_harms_nobody(file: Path) -> None:
    lease = lease_on(file)
    assert lease.try_acquire()
    foreign(file)
    lease.beat()
    assert lease.lost
    assert not lease.held
    lease.release()
    assert loads_holder(file.read_text()).token == "foreign"


def test_release_does_not_take_away_what_somebody_took_over(file: Path) -> None:
    lease = lease_on(file)
    assert lease.try_acquire()
    foreign(file)
    lease.release()
    assert loads_holder(file.read_text()).token == "foreign"


def test_record_that_vanished_is_a_lost_lease(file: Path) -> None:
    lease = lease_on(file)
    assert lease.try_acquire()
    file.unlink()
    lease.beat()
    assert lease.lost


def test_lost_looks_again_after_a_long_silence(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_keep", lambda *_: None)  # as if the process had been suspended
    monkeypatch.setattr(module, "TTL_S", 1e9)
    lease = lease_on(file)
    assert lease.try_acquire()
    foreign(file)
    assert not lease.lost  # the last beat is fresh
    monkeypatch.setattr(module, "TTL_S", 0.0)
    assert lease.lost


def test_beat_that_arrived_in_spite_of_an_error_is_no_loss(file: Path) -> None:
    lease = lease_on(file)
    assert lease.try_acquire()
    arrived = replace(loads_holder(file.read_text()), beat=1)
    file.write_text(arrived.dumps())
    lease.beat()
    assert not lease.lost
    lease.beat()
    assert loads_holder(file.read_text()).beat == 2
    lease.release()
    assert not file.exists()


def test_holder_survives_a_disk_that_is_away(file: Path, fail_on: Any, disk_error: int) -> None:
    lease = lease_on(file)
    assert lease.try_acquire()
    fail_on("replace", disk_error)
    lease.beat()
    assert not lease.lost
    assert loads_holder(file.read_text()).beat == 0
    lease.beat()
    assert loads_holder(file.read_text()).beat == 1
    lease.release()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_neither_holds_nor_beats_nor_gives_back(file: Path) -> None:
    lease = lease_on(file)
    assert lease.try_acquire()
    child = os.fork()
    if child == 0:
        wrong = lease.held or any("lease" in thread.name for thread in threading.enumerate())
        lease.beat()
        lease.release()
        os._exit(int(wrong))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert lease.held
    assert loads_holder(file.read_text()).token == lease.token
    lease.release()


def test_too_long_a_wait_names_the_holder(file: Path) -> None:
    with lease_on(file):
        start = time.monotonic()
        with pytest.raises(
            StoreError, match=f"{ADDRESS} was still held by process {os.getpid()} on .* 0.2 s"
        ):
            lease_on(file).acquire(timeout=0.2)
        assert 0.2 <= time.monotonic() - start < 30


def test_taking_twice_is_a_mistake(file: Path) -> None:
    with lease_on(file) as lease, pytest.raises(AssertionError, match="is held already"):
        lease.take(Entry())


def test_taking_again_what_is_held_is_refused(file: Path) -> None:
    with lease_on(file) as lease:
        assert not lease.try_acquire()


def test_lease_can_be_given_back_by_another_thread(file: Path) -> None:
    lease = lease_on(file)
    assert lease.try_acquire()
    thread = threading.Thread(target=lease.release)
    thread.start()
    thread.join()
    assert lease_on(file).holder() is None


@pytest.mark.parametrize("function", ["mkdir", "open", "replace"])
def test_disk_error_while_taking_leaves_it_free(
    file: Path, fail_on: Any, monkeypatch: pytest.MonkeyPatch, function: str, disk_error: int
) -> None:
    lease = lease_on(file)
    fail_on(function, disk_error)
    with pytest.raises(StoreError, match=f"cannot (lock|read|write) .*{os.strerror(disk_error)}"):
        lease.try_acquire()
    monkeypatch.undo()
    assert not lease.held
    with lease_on(file) as other:
        assert other.held


def test_disk_error_while_giving_back_frees_it_all_the_same(
    file: Path, fail_on: Any, disk_error: int
) -> None:
    lease = lease_on(file)
    assert lease.try_acquire()
    fail_on("unlink", disk_error)
    with pytest.raises(StoreError, match=f"cannot write .*{os.strerror(disk_error)}"):
        lease.release()
    assert not lease.held
    assert lease_on(file).holder() is None
    with lease_on(file) as other:
        assert other.held


def test_read_only_lease_is_not_taken(file: Path) -> None:
    lease = Lease(FileRegister(file), address=ADDRESS, read_only=True)
    with pytest.raises(StoreError, match=f"cannot lease {ADDRESS}: the store was opened for reading only"):
        lease.try_acquire()
    assert lease.holder() is None
    assert not file.parent.exists()


def test_claim_holds_until_somebody_takes_over(store: Store) -> None:
    lease = store.lease(ADDRESS)
    assert not store.claimed_by(ADDRESS, lease.token)
    with lease:
        assert store.claimed_by(ADDRESS, lease.token)
        assert Store(store.root, read_only=True).claimed_by(ADDRESS, lease.token)
        assert not store.claimed_by(ADDRESS, "another")
    assert not store.claimed_by(ADDRESS, lease.token)


def test_exclusive_keeps_out_and_is_kept_out(store: Store) -> None:
    with store.exclusive(ADDRESS) as free:
        assert free
        assert not store.lease(ADDRESS).try_acquire()
    with store.lease(ADDRESS), store.exclusive(ADDRESS) as free:
        assert not free
    with store.exclusive(ADDRESS) as free:
        assert free
