import errno
import os
import pickle
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.done import DONE
from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.store import Store
from dymu.errors import SpecError, StoreError

EDGE = "edge/00000000000000aa"
WEIGHT = "weight/00000000000000bb"

Tree = Callable[[Path], dict[str, bytes]]


def manifest_of(name: str, *seeds: int) -> Manifest:
    steps = {str(seed): {"edge": f"edge/{seed:016x}"} for seed in seeds}
    arm = ManifestArm(name="baseline", label="Ours", steps=steps)
    return Manifest(name=name, study=name, target=name, title=name, source="", tasks=("a", "b"), arms=(arm,))


# --- opening ------------------------------------------------------------------------------------------


def test_relative_root_does_not_follow_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(Path("store"))
    monkeypatch.chdir("/")
    assert store.root == tmp_path / "store"


def test_opening_again_keeps_everything(store: Store, publish: Any, tree: Tree) -> None:
    publish(EDGE)
    before = tree(store.root)
    assert Store(store.root).has(EDGE)
    assert tree(store.root) == before


def test_store_travels_to_another_process(store: Store, publish: Any) -> None:
    publish(EDGE)
    assert pickle.loads(pickle.dumps(store)).has(EDGE)


@pytest.mark.parametrize("read_only", [True, False])
def test_newer_format_is_refused_and_nothing_changes(
    store: Store, publish: Any, tree: Tree, read_only: bool
) -> None:
    publish(EDGE)
    (store.root / "store.json").write_text('{"format": 2, "more": [1]}')
    before = tree(store.root)
    with pytest.raises(
        StoreError, match=r"has format 2; this dymu knows format 1\. Install the dymu that wrote"
    ):
        Store(store.root, read_only=read_only)
    assert tree(store.root) == before


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"form'])
def test_unreadable_marker_is_refused(store: Store, text: str) -> None:
    (store.root / "store.json").write_text(text)
    with pytest.raises(StoreError, match=r"store\.json cannot be read .*expected"):
        Store(store.root)


def test_read_only_store_must_exist(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is not a store\. Run a study first"):
        Store(tmp_path / "store", read_only=True)
    assert not (tmp_path / "store").exists()


def test_read_only_store_is_read_and_not_written(store: Store, publish: Any, tree: Tree) -> None:
    publish(EDGE)
    before = tree(store.root)
    reader = Store(store.root, read_only=True)
    reader.verify(EDGE)
    assert list(reader.addresses()) == [EDGE]
    assert not reader.work_dir(WEIGHT).exists()
    for write in (
        lambda: reader.new_attempt(WEIGHT),
        lambda: reader.publish(EDGE, reader.path(EDGE), info={}),
        lambda: reader.clear_work(EDGE),
        lambda: reader.remove(EDGE),
        lambda: reader.save_manifest(manifest_of("digits", 0)),
        lambda: reader.lease(EDGE).try_acquire(),
    ):
        with pytest.raises(StoreError, match="opened for reading only"):
            write()
    assert tree(store.root) == before


def test_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("mine")
    with pytest.raises(StoreError, match=f"create the store {tmp_path}/store: File exists"):
        Store(tmp_path / "store")
    assert (tmp_path / "store").read_text() == "mine"


def test_folder_that_cannot_be_written_is_refused(
    store: Store, publish: Any, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(EDGE)
    before = tree(store.root)
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(
        StoreError, match=f"store {store.root} cannot be written. Choose a folder with --store or DYMU"
    ):
        Store(store.root)
    assert tree(store.root) == before
    assert Store(store.root, read_only=True).has(EDGE)


def test_store_that_cannot_be_created_is_refused(tmp_path: Path, fail_on: Any, disk_error: int) -> None:
    fail_on("mkdir", disk_error)
    with pytest.raises(StoreError, match=f"create the store {tmp_path}/store: {os.strerror(disk_error)}"):
        Store(tmp_path / "store")


@pytest.mark.parametrize(
    "address", ["edge", "edge/", "/aa", "edge/../aa", "a/b/c", "edge/a b", "edge/aa\n", ""]
)
def test_what_is_no_address_is_refused(store: Store, address: str) -> None:
    with pytest.raises(SpecError, match="is not an address; expected <stage>/<digest>"):
        store.has(address)


# --- publishing ---------------------------------------------------------------------------------------


def test_published_files_are_found_and_listed(store: Store, publish: Any) -> None:
    path = publish(EDGE, {"a.txt": "hello", "deep/er/b.txt": ""})
    assert store.has(EDGE)
    assert store.path(EDGE) == path
    assert (path / "a.txt").read_text() == "hello"
    done = store.done(EDGE)
    assert done["format"] == 1
    assert done["attempt"] == path.name
    assert {name: file["size"] for name, file in done["files"].items()} == {"a.txt": 5, "deep/er/b.txt": 0}
    assert store.size(EDGE) == 5 + (store.folder(EDGE) / DONE).stat().st_size
    store.verify(EDGE)


def test_info_is_kept(store: Store) -> None:
    attempt = store.new_attempt(EDGE)
    (attempt / "a").write_text("a")
    store.publish(EDGE, attempt, info={"seconds": 1.5, "device": "cpu"})
    assert store.done(EDGE)["info"] == {"seconds": 1.5, "device": "cpu"}


def test_nothing_but_done_and_the_attempt_is_left(store: Store, publish: Any) -> None:
    path = publish(EDGE)
    assert sorted(entry.name for entry in store.folder(EDGE).iterdir()) == sorted([DONE, path.name])


def test_published_attempt_is_not_discarded(store: Store, publish: Any) -> None:
    path = publish(EDGE)
    store.discard(path)
    store.verify(EDGE)


def test_absent_artifact_is_named(store: Store) -> None:
    for read in (store.path, store.done, store.verify, store.size, store.remove):
        with pytest.raises(StoreError, match=f"has no artifact {EDGE}. Run the study that needs it"):
            read(EDGE)
    assert not store.has(EDGE)


def test_attempts_are_empty_and_distinct(store: Store) -> None:
    first, second = store.new_attempt(EDGE), store.new_attempt(EDGE)
    assert first != second
    assert [*first.iterdir(), *second.iterdir()] == []
    assert not store.has(EDGE)
    assert list(store.unpublished(EDGE)) == sorted([first.name, second.name])


def test_addresses_are_sorted_and_can_be_limited_to_a_stage(store: Store, publish: Any) -> None:
    for address in ("weight/b", "edge/c", "edge/a"):
        publish(address)
    store.new_attempt("edge/b")
    (store.root / "artifacts" / "lost+found" / "x").mkdir(parents=True)
    assert list(store.addresses()) == ["edge/a", "edge/c", "weight/b"]
    assert list(store.addresses("edge")) == ["edge/a", "edge/c"]
    assert list(store.addresses("anchor")) == []
    assert list(store.started()) == ["edge/a", "edge/b", "edge/c", "weight/b"]


def test_attempt_on_a_read_only_disk_is_refused(store: Store, fail_on: Any) -> None:
    fail_on("mkdir", errno.EROFS)
    with pytest.raises(StoreError, match=f"cannot create .*{EDGE}.*: Read-only file system"):
        store.new_attempt(EDGE)


def test_really_read_only_disk_can_be_read(small_disk: Path, tree: Tree) -> None:
    store = Store(small_disk / "store")
    attempt = store.new_attempt(EDGE)
    (attempt / "a.txt").write_text("a")
    store.publish(EDGE, attempt, info={})
    with store.lease(EDGE):
        pass
    before = tree(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    reader = Store(store.root, read_only=True)
    reader.verify(EDGE)
    assert reader.lease(EDGE).holder() is None
    with pytest.raises(StoreError, match="cannot be written"):
        Store(store.root)
    for write in (
        lambda: store.new_attempt(WEIGHT),
        store.lease(EDGE).try_acquire,
        lambda: store.remove(EDGE),
    ):
        with pytest.raises(StoreError, match=r"Read-only file system \(EROFS\)"):
            write()
    assert tree(small_disk) == before


def test_discarded_attempt_is_gone(store: Store) -> None:
    attempt = store.new_attempt(EDGE)
    (attempt / "a.txt").write_text("a")
    store.discard(attempt)
    assert store.unpublished(EDGE) == {}


# --- removing, work, manifests ------------------------------------------------------------------------


def test_remove_frees_all_of_an_address_and_nothing_else(store: Store, publish: Any) -> None:
    publish(EDGE, {"a.txt": "x" * 1000})
    publish(WEIGHT)
    size = store.size(EDGE)
    assert size > 1000
    assert store.remove(EDGE) == size
    assert not store.folder(EDGE).exists()
    store.verify(WEIGHT)


def test_remove_refuses_a_leased_step(store: Store, publish: Any) -> None:
    publish(EDGE)
    with (
        store.lease(EDGE),
        pytest.raises(StoreError, match=f"leased by process {os.getpid()} on .*nothing was"),
    ):
        store.remove(EDGE)
    store.verify(EDGE)
    store.remove(EDGE)


def test_remove_takes_done_first(store: Store, publish: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(EDGE)
    seen = []
    monkeypatch.setattr("shutil.rmtree", lambda _path: seen.append(store.has(EDGE)))
    store.remove(EDGE)
    assert seen == [False]


def test_work_survives_until_it_is_cleared(store: Store) -> None:
    work = store.work_dir(EDGE)
    (work / "checkpoint.pt").write_text("state")
    assert store.work_dir(EDGE) == work
    assert (work / "checkpoint.pt").exists()
    assert list(store.works()) == [EDGE]
    store.clear_work(EDGE)
    store.clear_work(EDGE)
    assert not work.exists()
    assert list(store.works()) == []


def test_work_dir_can_be_named_without_making_it(store: Store) -> None:
    assert not store.work_dir(EDGE, make=False).exists()


def test_manifests_are_found_by_name(store: Store) -> None:
    for name in ("scenes-ours", "digits-ours.branching_regularizer", "digits-ours"):
        store.save_manifest(manifest_of(name, 0))
    names = [manifest.name for manifest in store.manifests()]
    assert names == ["digits-ours", "digits-ours.branching_regularizer", "scenes-ours"]
    assert store.manifest("scenes-ours") == manifest_of("scenes-ours", 0)


def test_saved_manifests_gather_seeds(store: Store) -> None:
    store.save_manifest(manifest_of("digits-ours", 0, 1))
    store.save_manifest(manifest_of("digits-ours", 2))
    assert store.manifest("digits-ours") == manifest_of("digits-ours", 0, 1, 2)


def test_manifests_saved_together_lose_no_seed(store: Store) -> None:
    threads = [
        threading.Thread(target=store.save_manifest, args=[manifest_of("digits-ours", seed)])
        for seed in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.manifest("digits-ours").seeds == tuple(range(8))


def test_disk_error_keeps_the_older_manifest(store: Store, fail_on: Any, disk_error: int) -> None:
    store.save_manifest(manifest_of("digits-ours", 0))
    fail_on("fsync", disk_error)
    with pytest.raises(StoreError, match=r"cannot write .*digits-ours\.json"):
        store.save_manifest(manifest_of("digits-ours", 1))
    assert store.manifest("digits-ours") == manifest_of("digits-ours", 0)
    assert not list((store.root / "manifests").glob("*.part"))


# --- speed --------------------------------------------------------------------------------------------


def test_thousand_artifacts_are_found_fast(memory_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    store = Store(memory_path)
    expected = [f"edge/{number:016x}" for number in range(1000)]
    for address in expected:
        attempt = store.new_attempt(address)
        for name in ("step.json", "metrics.jsonl", "provenance.json", "weights.safetensors"):
            (attempt / name).write_text(name)
        store.publish(address, attempt, info={})

    start = time.thread_time()
    assert list(store.addresses()) == expected
    assert time.thread_time() - start < 1.0

    def median_seconds(read: Callable[[str], object]) -> float:
        times = []
        for address in expected:
            begin = time.thread_time()
            read(address)
            times.append(time.thread_time() - begin)
        return statistics.median(times)

    assert median_seconds(store.has) < 1e-3
    assert median_seconds(store.path) < 1e-3


def remount(disk: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(disk)], check=True)


def test_disk_that_becomes_read_only_is_told_and_harms_nothing(small_disk: Path, put_into: Any) -> None:
    store = Store(small_disk / "store")
    put_into(store, EDGE)
    attempt = store.new_attempt(WEIGHT)
    (attempt / "a").write_text("a")
    lease = store.lease(WEIGHT)
    assert lease.try_acquire()
    remount(small_disk, "ro")
    try:
        for change in (
            lambda: store.publish(WEIGHT, attempt, info={}),
            lambda: store.lease(EDGE).try_acquire(),
            lambda: store.remove(EDGE),
            lambda: store.flag("stop/1").raise_(),
        ):
            with pytest.raises(StoreError, match=r"Read-only file system \(EROFS\). A run needs a folder"):
                change()
        with pytest.raises(StoreError, match=r"cannot be written. Choose a folder"):
            Store(store.root)
        lease.beat()
        assert not lease.lost
        reading = Store(store.root, read_only=True)
        reading.verify(EDGE)
        assert not reading.has(WEIGHT)
        assert set(reading.holders([EDGE, WEIGHT])) == {WEIGHT}
    finally:
        remount(small_disk, "rw")
    lease.beat()
    assert not lease.lost
    assert store.publish(WEIGHT, attempt, info={}) == attempt
    lease.release()
    store.verify(WEIGHT)


def test_lease_on_a_full_disk_is_refused_or_kept_and_lost_by_nobody(small_disk: Path) -> None:
    store = Store(small_disk / "store")
    lease = store.lease(WEIGHT)
    assert lease.try_acquire()
    filler = small_disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    lease.beat()
    assert not lease.lost
    assert store.claimed_by(WEIGHT, lease.token)
    with pytest.raises(StoreError, match=r"No space left on device \(ENOSPC\). Free some space"):
        store.lease(EDGE).try_acquire()
    filler.unlink()
    lease.beat()
    assert not lease.lost
    lease.release()
    with store.lease(EDGE) as other:
        assert other.held
