import errno
import fcntl
import json
import os
import platform
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.lease import Holder, Lease
from dymu.errors import StoreError

ADDRESS = "edge/00000000000000aa"

HOLDER = """
import sys, time
from pathlib import Path
from dymu.artifacts.lease import Lease

lease = Lease(Path(sys.argv[1]), address="edge/00000000000000aa")
print("held" if lease.try_acquire() else "refused", flush=True)
sys.stdin.readline()
lease.release()
print("released", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "leases" / "edge" / "00000000000000aa.lock"


def lease_on(file: Path) -> Lease:
    return Lease(file, address=ADDRESS)


def held_elsewhere(run_python: Any, file: Path) -> Any:
    process = run_python(HOLDER, file)
    assert process.stdout.readline() == "held\n"
    return process


def test_free_lease_is_taken_at_once(file: Path) -> None:
    lease = lease_on(file)
    assert not lease.held
    assert lease.try_acquire()
    assert lease.held
    lease.release()
    assert not lease.held


def test_release_of_what_is_not_held_does_nothing(file: Path) -> None:
    lease_on(file).release()
    assert not file.exists()


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
            assert holder.text.startswith(f"process {os.getpid()} on {platform.node()}, since ")


def test_free_lease_has_no_holder(file: Path) -> None:
    assert lease_on(file).holder() is None
    assert not file.parent.exists()
    with lease_on(file):
        pass
    assert lease_on(file).holder() is None


def test_asking_for_the_holder_does_not_take_the_lease(file: Path) -> None:
    with lease_on(file):
        pass
    assert lease_on(file).holder() is None
    assert lease_on(file).try_acquire()


def test_a_look_at_the_holder_does_not_keep_others_out(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = fcntl.flock, iter(range(100))

    def looked_at_just_now(descriptor: int, operation: int) -> None:
        if next(calls) == 0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", looked_at_just_now)
    lease = lease_on(file)
    assert lease.try_acquire()
    lease.release()


def test_unannounced_lease_excludes_without_writing(file: Path) -> None:
    lease = lease_on(file)
    assert lease.try_acquire(announce=False)
    assert not lease_on(file).try_acquire()
    assert lease_on(file).holder() == Holder()
    assert Holder().text == "a process that has not given its name"
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    lease.release()


@pytest.mark.parametrize("note", ["", "[]", '{"pid": 1, "more": 2}'])
def test_unreadable_note_of_a_holder_is_no_name(file: Path, note: str) -> None:
    with lease_on(file):
        file.with_suffix(".json").write_text(note)
        assert lease_on(file).holder() == Holder()


def test_lease_excludes_another_process(file: Path, run_python: Any) -> None:
    process = held_elsewhere(run_python, file)
    lease = lease_on(file)
    assert not lease.try_acquire()
    holder = lease.holder()
    assert holder is not None
    assert holder.pid == process.pid
    process.stdin.write("release\n")
    process.stdin.flush()
    assert process.stdout.readline() == "released\n"
    assert lease.holder() is None
    assert lease.try_acquire()
    lease.release()


def test_killed_holder_frees_the_lease_at_once(file: Path, run_python: Any) -> None:
    process = held_elsewhere(run_python, file)
    waited: list[Holder] = []
    taken_at: list[float] = []

    def wait() -> None:
        with_wait = lease_on(file)
        with_wait.acquire(timeout=30, on_wait=waited.append)
        taken_at.append(time.monotonic())
        with_wait.release()

    waiter = threading.Thread(target=wait)
    waiter.start()
    while not waited:
        time.sleep(0.01)
    assert waited[0].pid == process.pid
    killed_at = time.monotonic()
    os.kill(process.pid, signal.SIGKILL)
    waiter.join()
    assert taken_at[0] - killed_at < 2
    assert len(waited) == 1
    assert lease_on(file).holder() is None


def test_note_of_a_killed_holder_is_not_believed(file: Path, run_python: Any) -> None:
    process = held_elsewhere(run_python, file)
    process.kill()
    process.wait()
    assert json.loads(file.with_suffix(".json").read_text())["pid"] == process.pid
    assert lease_on(file).holder() is None
    with lease_on(file) as lease:
        holder = lease.holder()
        assert holder is not None
        assert holder.pid == os.getpid()


def test_too_long_a_wait_names_the_holder(file: Path) -> None:
    with lease_on(file):
        start = time.monotonic()
        with pytest.raises(
            StoreError, match=f"{ADDRESS} was still held by process {os.getpid()} on .* 0.2 s"
        ):
            lease_on(file).acquire(timeout=0.2)
        assert 0.2 <= time.monotonic() - start < 5


def test_taking_twice_is_a_mistake(file: Path) -> None:
    with lease_on(file) as lease, pytest.raises(AssertionError, match="is held already"):
        lease.try_acquire()


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
    with pytest.raises(StoreError, match=f"cannot lock .*{os.strerror(disk_error)}"):
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
    with pytest.raises(StoreError, match=f"cannot remove .*{os.strerror(disk_error)}"):
        lease.release()
    assert not lease.held
    assert lease_on(file).holder() is None


def test_holder_is_told_where_the_lock_may_not_be_opened(
    file: Path, monkeypatch: pytest.MonkeyPatch, run_python: Any
) -> None:
    process = held_elsewhere(run_python, file)

    def refuse(*_args: Any, **_kwargs: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    holder = lease_on(file).holder()
    monkeypatch.undo()
    assert holder is not None
    assert holder.pid == process.pid


def test_read_only_lease_is_not_taken(file: Path) -> None:
    lease = Lease(file, address=ADDRESS, read_only=True)
    with pytest.raises(StoreError, match=f"cannot lease {ADDRESS}: the store was opened for reading only"):
        lease.try_acquire()
    assert lease.holder() is None
    assert not file.parent.exists()
