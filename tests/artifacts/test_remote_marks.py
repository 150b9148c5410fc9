import threading
from typing import Any

from dymu.artifacts.bucket import Bucket
from dymu.artifacts.lease import Lease
from dymu.artifacts.register import Entry
from dymu.artifacts.remote import ObjectStore
from dymu.artifacts.remote_marks import ObjectFlag, ObjectRegister

ADDRESS = "edge/00000000000000aa"

HOLDER = """
import sys
from dymu.artifacts.location import open_store

lease = open_store(sys.argv[1]).lease("edge/00000000000000aa")
print("held" if lease.try_acquire() else "refused", flush=True)
sys.stdin.read()
"""


def test_register_is_free_until_it_is_written(bucket: Bucket) -> None:
    register = ObjectRegister(bucket, "leases/a.json")
    assert register.read() == Entry()
    assert list(bucket.list("")) == []


def test_register_is_swapped_when_as_expected(bucket: Bucket) -> None:
    register, other = ObjectRegister(bucket, "leases/a.json"), ObjectRegister(bucket, "leases/a.json")
    first = register.swap(Entry(), "one")
    assert first is not None
    assert other.swap(Entry(), "two") is None
    assert other.read() == first
    second = other.swap(first, "two")
    assert second is not None
    assert register.swap(first, "three") is None
    assert register.read().text == "two"


def test_freed_register_can_be_taken_again(bucket: Bucket) -> None:
    register = ObjectRegister(bucket, "leases/a.json")
    taken = register.swap(Entry(), "one")
    assert taken is not None
    freed = register.swap(taken, "")
    assert freed is not None
    assert register.read().text == ""
    assert register.swap(Entry(), "two") is None  # the object exists
    assert register.swap(freed, "two") is not None


def test_of_many_threads_one_takes_the_lease(bucket: Bucket) -> None:
    start, held = threading.Barrier(6), []
    leases = [Lease(ObjectRegister(bucket, "leases/a.json"), address=ADDRESS) for _ in range(6)]

    def take(lease: Lease) -> None:
        start.wait()
        if lease.try_acquire():
            held.append(lease)

    threads = [threading.Thread(target=take, args=(lease,)) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 1
    held[0].release()


def test_killed_holder_of_this_machine_is_taken_over_at_once(remote: ObjectStore, run_python: Any) -> None:
    process = run_python(HOLDER, remote.location)
    assert process.stdout.readline() == "held\n"
    lease = remote.lease(ADDRESS)
    assert not lease.try_acquire()
    assert remote.holders([ADDRESS])[ADDRESS].pid == process.pid
    process.kill()
    process.wait()
    assert remote.holders([ADDRESS]) == {}
    assert lease.try_acquire()
    assert remote.claimed_by(ADDRESS, lease.token)
    lease.release()
    assert not remote.claimed_by(ADDRESS, "another")


def test_flag_is_seen_by_all(bucket: Bucket) -> None:
    flag, other = ObjectFlag(bucket, "flags/stop/1"), ObjectFlag(bucket, "flags/stop/1")
    assert not other.raised()
    flag.raise_()
    flag.raise_()
    assert other.raised()
    other.lower()
    other.lower()
    assert not flag.raised()
