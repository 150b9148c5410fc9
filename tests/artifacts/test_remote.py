import os
import pickle
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dymu.artifacts import index
from dymu.artifacts.bucket import Bucket
from dymu.artifacts.connect import memory_bucket, open_bucket
from dymu.artifacts.gc import collect, remove_damaged, verify_all
from dymu.artifacts.holder import loads_holder
from dymu.artifacts.location import open_store
from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.remote import ObjectStore, mirror_of
from dymu.artifacts.store import Store
from dymu.errors import SpecError, StoreError

EDGE, WEIGHT = "edge/00000000000000aa", "weight/00000000000000bb"


def seeds_of(seed: int) -> Manifest:
    return manifest(steps={str(seed): {"edge": EDGE}})


def manifest(name: str = "study", *, steps: Mapping[str, Mapping[str, str]] = {}) -> Manifest:
    arm = ManifestArm(name="baseline", label="ours", steps=steps)
    return Manifest(name=name, study="study", target="t", title="t", source="", tasks=("a",), arms=(arm,))


def test_location_opens_the_same_store(remote: ObjectStore, put_into: Any) -> None:
    put_into(remote, EDGE)
    again = open_store(remote.location + "/")
    assert again.location == remote.location
    assert again.root == remote.root
    assert again.has(EDGE)


def test_store_travels(remote: ObjectStore, put_into: Any) -> None:
    put_into(remote, EDGE)
    there = pickle.loads(pickle.dumps(open_store(remote.location, read_only=True)))
    assert there.has(EDGE)
    assert there.read_only


def test_mirror_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DYMU_CACHE", str(tmp_path))
    assert mirror_of("s3://a/b").parent == tmp_path
    assert mirror_of("s3://a/b") != mirror_of("s3://a/c")
    monkeypatch.delenv("DYMU_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert mirror_of("s3://a/b").parent == tmp_path / "home" / ".cache" / "dymu"


def test_store_to_read_is_not_made(s3: tuple[str, dict[str, str]]) -> None:
    with pytest.raises(StoreError, match=f"{s3[0]} is not a store. Run a study first"):
        open_store(s3[0], read_only=True)
    assert list(open_bucket(s3[0]).list("")) == []


def test_store_of_a_later_format_is_refused(s3: tuple[str, dict[str, str]]) -> None:
    open_bucket(s3[0]).write("store.json", b'{"format": 2}')
    with pytest.raises(StoreError, match=f"the store {s3[0]} has format 2; this dymu knows format 1"):
        open_store(s3[0])


def test_read_only_store_changes_nothing(remote: ObjectStore, put_into: Any) -> None:
    put_into(remote, EDGE)
    reading = open_store(remote.location, read_only=True)
    before = list(remote._bucket.list(""))
    for change in (
        lambda: reading.new_attempt(EDGE),
        lambda: reading.remove(EDGE),
        lambda: reading.lease(EDGE).try_acquire(),
        lambda: reading.push_work(EDGE),
        lambda: reading.clear_work(EDGE),
        lambda: reading.set_aside(EDGE, "x"),
        lambda: reading.save_manifest(manifest()),
    ):
        with pytest.raises(StoreError, match="opened for reading only"):
            change()
    reading.verify(EDGE)
    assert (reading.path(EDGE) / "a.txt").read_text() == "a"
    assert list(remote._bucket.list("")) == before


@pytest.mark.parametrize("address", ["edge", "edge/../weight", "../edge/aa", "edge/aa/DONE.json"])
def test_only_addresses_are_accepted(any_store: Store, address: str) -> None:
    for ask in (any_store.has, any_store.done, any_store.lease, any_store.look_work):
        with pytest.raises(SpecError, match="is not an address"):
            ask(address)


def test_published_artifact_is_listed(any_store: Store, put_into: Any) -> None:
    assert list(any_store.addresses()) == []
    put_into(any_store, WEIGHT, {"a": "12345"})
    put_into(any_store, EDGE)
    other = any_store.new_attempt("edge/00000000000000cc")
    (other / "a").write_text("half")
    assert list(any_store.addresses()) == [EDGE, WEIGHT]
    assert list(any_store.addresses("weight")) == [WEIGHT]
    assert [any_store.has(address) for address in (EDGE, WEIGHT, "edge/00000000000000cc")] == [
        True,
        True,
        False,
    ]
    assert any_store.size(WEIGHT) > 5
    assert any_store.read(WEIGHT, "a") == b"12345"


def test_thousand_addresses_are_looked_up_by_a_listing(
    remote: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [f"edge/{number:016x}" for number in range(60)]
    for address in there:
        remote._bucket.write(f"artifacts/{address}/DONE.json", b"{}")
        remote._bucket.write(f"artifacts/{address}/att-1/a", b"a")
    requests = 0
    real_size, real_list = Bucket.size, Bucket.list

    def size(self: Bucket, key: str) -> int | None:
        nonlocal requests
        requests += 1
        return real_size(self, key)

    def listing(self: Bucket, prefix: str) -> Any:
        nonlocal requests
        requests += 1
        return real_list(self, prefix)

    monkeypatch.setattr(Bucket, "size", size)
    monkeypatch.setattr(Bucket, "list", listing)
    monkeypatch.setattr(index, "time", SimpleNamespace(monotonic=lambda: 1000.0))  # however long it takes
    asked = [f"edge/{number:016x}" for number in range(1000)]
    assert [address for address in asked if remote.has(address)] == there
    assert requests < 15


def test_who_takes_the_lease_sees_what_was_just_published(
    remote: ObjectStore, put_into: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):  # so many that they are listed, and the listing is fresh
        assert not remote.has(f"edge/{number:016x}")
    assert not remote.has(EDGE)
    monkeypatch.setenv("DYMU_CACHE", str(tmp_path / "another machine"))
    put_into(open_store(remote.location), EDGE)
    with remote.lease(EDGE):
        assert remote.has(EDGE)


def test_work_goes_on_where_another_machine_left_it(
    remote: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remote.lease(EDGE):
        remote.pull_work(EDGE)
        (remote.work_dir(EDGE) / "checkpoint.pt").write_bytes(b"step 10")
        (remote.work_dir(EDGE) / "metrics.jsonl").write_text("{}\n")
        remote.push_work(EDGE)
    monkeypatch.setenv("DYMU_CACHE", str(tmp_path / "another machine"))
    other = open_store(remote.location)
    assert list(other.works()) == [EDGE]
    with other.lease(EDGE):
        other.pull_work(EDGE)
        assert (other.work_dir(EDGE) / "checkpoint.pt").read_bytes() == b"step 10"
        (other.work_dir(EDGE) / "progress.json").write_text('{"step": 11}')
        other.push_work(EDGE)
    assert (remote.look_work(EDGE) / "progress.json").read_text() == '{"step": 11}'
    assert (remote.look_work(EDGE) / "metrics.jsonl").read_text() == "{}\n"
    assert not (remote.look_work(EDGE) / "checkpoint.pt").exists()
    assert other.clear_work(EDGE) > 0
    assert list(remote.works()) == []
    assert remote.work_size(EDGE) is None
    assert not other.work_dir(EDGE, make=False).exists()


def test_looking_does_not_touch_the_folder_of_the_work(remote: ObjectStore) -> None:
    remote.pull_work(EDGE)
    remote.push_work(EDGE)
    (remote.work_dir(EDGE) / "checkpoint.pt").write_bytes(b"not sent yet")
    remote.look_work(EDGE)
    assert (remote.work_dir(EDGE) / "checkpoint.pt").read_bytes() == b"not sent yet"
    remote.clear_work(EDGE)


def test_store_to_read_sees_work_without_taking_it_over(remote: ObjectStore) -> None:
    remote.pull_work(EDGE)
    (remote.work_dir(EDGE) / "progress.json").write_text("1")
    remote.push_work(EDGE)
    reading = open_store(remote.location, read_only=True)
    reading.pull_work(EDGE)
    assert (reading.work_dir(EDGE, make=False) / "progress.json").read_text() == "1"
    (remote.work_dir(EDGE) / "progress.json").write_text("22")
    remote.push_work(EDGE)
    reading.pull_work(EDGE)
    assert (reading.work_dir(EDGE, make=False) / "progress.json").read_text() == "22"
    remote.clear_work(EDGE)


def test_many_steps_without_work_are_looked_at_by_one_listing(
    remote: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.pull_work(EDGE)
    (remote.work_dir(EDGE) / "progress.json").write_text("1")
    remote.push_work(EDGE)
    reads: list[str] = []
    real = Bucket.read

    def read(self: Bucket, key: str, *, quick: bool = False) -> Any:
        reads.append(key)
        return real(self, key, quick=quick)

    monkeypatch.setattr(Bucket, "read", read)
    for number in range(500):
        assert not list(remote.look_work(f"edge/{number:016x}").glob("*")) or number == 0xAA
    assert reads == [f"work/{EDGE}/WORK.json"]
    remote.clear_work(EDGE)


def test_what_an_earlier_process_looked_at_is_not_shown(remote: ObjectStore) -> None:
    left = remote.root / "looks" / EDGE
    left.mkdir(parents=True)
    (left / "progress.json").write_text('{"step": 99}')
    assert not (remote.look_work(EDGE) / "progress.json").exists()


def test_word_after_the_end_of_the_work_arrives(remote: ObjectStore) -> None:
    remote.pull_work(EDGE)
    remote.clear_work(EDGE)
    (remote.work_dir(EDGE) / "error.json").write_text("{}")
    remote.push_work(EDGE)
    assert (remote.look_work(EDGE) / "error.json").exists()


def test_lease_excludes_and_is_given_back(any_store: Store) -> None:
    first, second = any_store.lease(EDGE), any_store.lease(EDGE)
    assert first.try_acquire()
    assert not second.try_acquire()
    assert any_store.claimed_by(EDGE, first.token)
    assert set(any_store.holders([EDGE, WEIGHT])) == {EDGE}
    with any_store.exclusive(EDGE) as free:
        assert not free
    first.release()
    assert any_store.holders([EDGE, WEIGHT]) == {}
    with any_store.exclusive(EDGE) as free:
        assert free
        assert not second.try_acquire()
    assert second.try_acquire()
    second.release()


def test_leased_artifact_is_not_removed(any_store: Store, put_into: Any) -> None:
    put_into(any_store, EDGE)
    with (
        any_store.lease(EDGE),
        pytest.raises(StoreError, match=f"is leased by process {os.getpid()} on .*; nothing was removed"),
    ):
        any_store.remove(EDGE)
    assert any_store.has(EDGE)
    assert any_store.remove(EDGE) > 0
    assert not any_store.has(EDGE)


def test_claim_ends_when_somebody_takes_over(remote: ObjectStore) -> None:
    lease = remote.lease(EDGE)
    assert lease.try_acquire()
    assert remote.claimed_by(EDGE, lease.token)
    found = remote._bucket.read(f"leases/{EDGE}.json")
    assert found is not None
    taken = replace(loads_holder(found[0].decode()), token="another")
    remote._bucket.write(f"leases/{EDGE}.json", taken.dumps().encode())
    time.sleep(1.1)  # a claim is believed for a second
    assert not remote.claimed_by(EDGE, lease.token)
    lease.beat()
    assert lease.lost
    lease.release()
    assert remote._bucket.size(f"leases/{EDGE}.json")


def test_manifests_are_kept(any_store: Store) -> None:
    assert any_store.manifests() == []
    with pytest.raises(StoreError, match="knows no study 'study'; it has: none"):
        any_store.manifest("study")
    any_store.save_manifest(seeds_of(0))
    any_store.save_manifest(seeds_of(1))
    any_store.save_manifest(manifest("study.question"))
    assert any_store.manifest("study").seeds == (0, 1)
    assert [m.name for m in any_store.manifests()] == ["study", "study.question"]


def test_seeds_that_many_save_at_once_are_all_kept(any_store: Store) -> None:
    start = threading.Barrier(5)

    def save(seed: int) -> None:
        start.wait()
        any_store.save_manifest(seeds_of(seed))

    threads = [threading.Thread(target=save, args=(seed,)) for seed in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any_store.manifest("study").seeds == (0, 1, 2, 3, 4)


def test_flags_are_shared(any_store: Store) -> None:
    any_store.flag("stop/1").raise_()
    assert any_store.flag("stop/1").raised()
    any_store.flag("stop/1").lower()
    assert not any_store.flag("stop/1").raised()


def test_waste_is_collected_and_the_rest_is_kept(any_store: Store, put_into: Any) -> None:
    put_into(any_store, EDGE, {"a": "kept", "step.json": STEP_FORM})
    put_into(any_store, WEIGHT, {"a": "waste", "step.json": STEP_FORM})
    any_store.save_manifest(seeds_of(0))
    any_store.pull_work(EDGE)
    (any_store.work_dir(EDGE) / "log.txt").write_text("stale")
    any_store.push_work(EDGE)
    told = collect(any_store, dry_run=True)
    assert {(item.kind, item.address) for item in told} == {("work", EDGE), ("artifact", WEIGHT)}
    assert any_store.has(WEIGHT)
    removed = collect(any_store)
    assert {(item.kind, item.where) for item in removed} == {(item.kind, item.where) for item in told}
    assert all(item.size > 0 for item in removed)
    assert list(any_store.addresses()) == [EDGE]
    assert list(any_store.works()) == []
    assert collect(any_store) == []


def test_leased_step_is_not_collected(any_store: Store, put_into: Any) -> None:
    put_into(any_store, EDGE)
    with any_store.lease(EDGE):
        assert collect(any_store, dry_run=True) == []
        assert collect(any_store) == []
    assert [item.kind for item in collect(any_store)] == ["artifact"]


def test_damage_is_found_and_removed(any_store: Store, put_into: Any) -> None:
    put_into(any_store, EDGE)
    path = put_into(any_store, WEIGHT, {"a": "12345"})
    if isinstance(any_store, ObjectStore):
        any_store._bucket.write(f"artifacts/{WEIGHT}/{path.name}/a", b"12045")
    else:
        (path / "a").write_text("12045")
    checked = dict(verify_all(any_store))
    assert checked[EDGE] is None
    assert "SHA-256" in str(checked[WEIGHT])
    assert [item.address for item in remove_damaged(any_store, dry_run=True)] == [WEIGHT]
    assert any_store.set_aside(WEIGHT, "damaged") is not None
    assert [item.address for item in remove_damaged(any_store, dry_run=True)] == [WEIGHT]
    assert [item.size > 5 for item in remove_damaged(any_store)] == [True]
    assert remove_damaged(any_store) == []
    assert list(any_store.addresses()) == [EDGE]


def test_store_without_server_can_be_tested(tmp_path: Path) -> None:
    store = ObjectStore(memory_bucket("memory://mine"), tmp_path)
    assert store.location == "memory://mine"


def test_mirror_that_cannot_be_made_is_told(
    s3: tuple[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DYMU_CACHE", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="cannot create the mirror"):
        open_store(s3[0])


def test_full_disk_of_the_mirror_leaves_the_artifact(
    remote: ObjectStore, put_into: Any, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_into(remote, EDGE, {"a": "x" * 1_000_000})
    monkeypatch.setenv("DYMU_CACHE", str(small_disk))
    other = open_store(remote.location)
    with pytest.raises(StoreError, match="No space left"):
        other.path(EDGE)
    assert not [path for path in small_disk.rglob("*") if path.is_file()]
    remote.verify(EDGE)


def test_storage_that_is_away_for_a_while_is_waited_for(
    s3: tuple[str, dict[str, str]], line: Any, put_into: Any
) -> None:
    store = open_store(s3[0])
    lease = store.lease(EDGE)
    assert lease.try_acquire()
    store.pull_work(EDGE)
    (store.work_dir(EDGE) / "checkpoint.pt").write_bytes(b"c" * 100_000)
    line.cut()
    done: list[str] = []

    def work() -> None:
        store.push_work(EDGE)
        done.append("pushed")
        put_into(store, EDGE)
        done.append("published")
        store.clear_work(EDGE)
        done.append("cleared")

    worker = threading.Thread(target=work)
    worker.start()
    lease.beat()
    assert not lease.lost
    assert done == []
    line.mend()
    worker.join(200)
    assert done == ["pushed", "published", "cleared"]
    lease.beat()
    assert not lease.lost
    lease.release()
    store.verify(EDGE)


def test_storage_that_is_away_is_told_when_a_store_is_opened(
    s3: tuple[str, dict[str, str]], line: Any
) -> None:
    line.cut()
    start = time.monotonic()
    with pytest.raises(StoreError, match=r"cannot read s3://dymu/.*/store.json: .*Finished steps are kept"):
        open_store(s3[0])
    assert time.monotonic() - start < 60  # a patient client takes three minutes


STEP_FORM = '{"stage": "edge", "revision": 1, "config": {}, "inputs": {}, "seed": 0}'
