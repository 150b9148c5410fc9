import errno
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.done import DONE
from dymu.artifacts.store import Store
from dymu.errors import CorruptArtifactError, StoreError

EDGE = "edge/00000000000000aa"
WEIGHT = "weight/00000000000000bb"


def test_second_publisher_loses_and_its_attempt_goes(store: Store, publish: Any) -> None:
    first = publish(EDGE, {"a.txt": "first"})
    assert publish(EDGE, {"a.txt": "second"}) == first
    assert (first / "a.txt").read_text() == "first"
    assert store.unpublished(EDGE) == {}


def test_publishers_that_arrive_together_agree_on_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 6
    together = threading.Barrier(count)
    real_link = os.link

    def link(*args: Any, **kwargs: Any) -> None:
        together.wait(timeout=120)
        real_link(*args, **kwargs)

    monkeypatch.setattr(os, "link", link)
    paths: list[Path] = []

    def work(number: int) -> None:
        attempt = store.new_attempt(EDGE)
        (attempt / "who.txt").write_text(str(number))
        paths.append(store.publish(EDGE, attempt, info={"who": number}))

    threads = [threading.Thread(target=work, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == count
    assert set(paths) == {store.path(EDGE)}
    assert (paths[0] / "who.txt").read_text() == str(store.done(EDGE)["info"]["who"])
    assert store.unpublished(EDGE) == {}
    store.verify(EDGE)


PUBLISHER = """
import sys
from pathlib import Path
from dymu.artifacts.store import Store

store, who = Store(Path(sys.argv[1])), sys.argv[2]
attempts = []
for number in range(30):
    attempt = store.new_attempt(f"edge/{number:04d}")
    (attempt / "who.txt").write_text(who)
    attempts.append(attempt)
print("ready", flush=True)
sys.stdin.readline()
for number, attempt in enumerate(attempts):
    path = store.publish(f"edge/{number:04d}", attempt, info={"who": who})
    print((path / "who.txt").read_text(), flush=True)
"""


def test_processes_that_publish_together_agree_on_one_each(store: Store, run_python: Any) -> None:
    processes = [run_python(PUBLISHER, store.root, who) for who in "AB"]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        told.append(out.split())
    assert len(told[0]) == 30
    assert told[0] == told[1]
    for number, winner in enumerate(told[0]):
        address = f"edge/{number:04d}"
        assert store.done(address)["info"]["who"] == winner
        assert store.unpublished(address) == {}
        store.verify(address)


CRASHER = """
import os, signal, sys
from pathlib import Path
from dymu.artifacts.store import Store

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

store, address = Store(Path(sys.argv[1])), sys.argv[2]
attempt = store.new_attempt(address)
(attempt / "a.txt").write_text("a")
setattr(os, sys.argv[3], die)
store.publish(address, attempt, info={})
"""


@pytest.mark.parametrize("function", ["fsync", "link"])
def test_crash_before_done_publishes_nothing(
    store: Store, publish: Any, run_python: Any, function: str
) -> None:
    process = run_python(CRASHER, store.root, EDGE, function)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert not store.has(EDGE)
    assert list(store.addresses()) == []
    assert len(store.unpublished(EDGE)) >= 1
    assert (publish(EDGE) / "a.txt").read_text() == "a"
    store.verify(EDGE)


def test_crash_after_the_link_leaves_a_whole_artifact(store: Store, run_python: Any) -> None:
    process = run_python(CRASHER, store.root, EDGE, "unlink")
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    store.verify(EDGE)
    assert [Path(name).suffix for name in store.unpublished(EDGE)] == [".part"]


@pytest.mark.parametrize("call", range(4))
def test_disk_error_while_flushing_publishes_nothing(
    store: Store, publish: Any, fail_on: Any, disk_error: int, call: int
) -> None:
    publish(WEIGHT)
    attempt = store.new_attempt(EDGE)
    (attempt / "a.txt").write_text("a")
    (attempt / "b.txt").write_text("b")
    fail_on("fsync", disk_error, call=call)
    with pytest.raises(StoreError, match=f"cannot publish .*{EDGE}.*: {os.strerror(disk_error)}"):
        store.publish(EDGE, attempt, info={})
    assert not store.has(EDGE)
    assert store.unpublished(EDGE) == {}
    store.verify(WEIGHT)


def test_disk_error_while_linking_publishes_nothing(
    store: Store, publish: Any, fail_on: Any, disk_error: int
) -> None:
    publish(WEIGHT)
    attempt = store.new_attempt(EDGE)
    (attempt / "a.txt").write_text("a")
    fail_on("link", disk_error)
    with pytest.raises(StoreError, match=errno.errorcode[disk_error]):
        store.publish(EDGE, attempt, info={})
    assert not store.has(EDGE)
    assert store.unpublished(EDGE) == {}
    store.verify(WEIGHT)


def test_disk_error_after_the_link_keeps_the_artifact(store: Store, fail_on: Any) -> None:
    attempt = store.new_attempt(EDGE)
    (attempt / "a.txt").write_text("a")
    fail_on("fsync", errno.EIO, call=3)  # the file, its folder, DONE.json, and then the folder that has it
    with pytest.raises(StoreError, match="EIO"):
        store.publish(EDGE, attempt, info={})
    store.verify(EDGE)


def test_full_disk_is_named_with_what_to_do(store: Store, fail_on: Any) -> None:
    attempt = store.new_attempt(EDGE)
    (attempt / "a.txt").write_text("a")
    fail_on("fsync", errno.ENOSPC)
    with pytest.raises(StoreError) as caught:
        store.publish(EDGE, attempt, info={})
    assert f"cannot publish {attempt}: No space left on device (ENOSPC)." in str(caught.value)
    assert "dymu cache gc" in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)


def test_really_full_disk_harms_nothing(small_disk: Path) -> None:
    store = Store(small_disk / "store")
    attempt = store.new_attempt(WEIGHT)
    (attempt / "a.txt").write_text("a")
    store.publish(WEIGHT, attempt, info={})
    attempt = store.new_attempt(EDGE)
    with pytest.raises(OSError, match="No space left"):
        (attempt / "big").write_bytes(bytes(1 << 20))
    with pytest.raises(StoreError, match=r"No space left on device \(ENOSPC\)"):
        store.publish(EDGE, attempt, info={})
    assert not store.has(EDGE)
    assert store.unpublished(EDGE) == {}
    store.verify(WEIGHT)
    attempt = store.new_attempt(EDGE)
    (attempt / "small").write_text("now there is space again")
    store.publish(EDGE, attempt, info={})
    store.verify(EDGE)


def test_empty_attempt_is_refused(store: Store) -> None:
    attempt = store.new_attempt(EDGE)
    with pytest.raises(StoreError, match="is empty; a stage writes at least one file"):
        store.publish(EDGE, attempt, info={})
    assert not store.has(EDGE)


def test_link_in_an_attempt_is_refused(store: Store, tmp_path: Path) -> None:
    attempt = store.new_attempt(EDGE)
    (attempt / "a.txt").symlink_to(tmp_path)
    with pytest.raises(StoreError, match=r"a\.txt is not a plain file"):
        store.publish(EDGE, attempt, info={})
    assert not store.has(EDGE)
    assert tmp_path.exists()


def test_missing_file_is_named_with_what_to_do(store: Store, publish: Any) -> None:
    path = publish(EDGE, {"a.txt": "a", "b.txt": "b"})
    (path / "b.txt").unlink()
    for read in (store.path, store.verify):
        with pytest.raises(CorruptArtifactError) as caught:
            read(EDGE)
        assert EDGE in str(caught.value)
        assert f"{path / 'b.txt'} is missing" in str(caught.value)
        assert "dymu cache verify" in str(caught.value)
        assert "dymu cache gc --corrupt --yes" in str(caught.value)


def test_truncated_file_is_named_with_both_sizes(store: Store, publish: Any) -> None:
    path = publish(EDGE, {"a.txt": "hello"})
    (path / "a.txt").write_text("hel")
    for read in (store.path, store.verify):
        with pytest.raises(CorruptArtifactError, match=r"a\.txt has 3 bytes, but 5 were written"):
            read(EDGE)


def test_changed_file_of_the_same_size_is_found_by_verify(store: Store, publish: Any) -> None:
    path = publish(EDGE, {"a.txt": "hello"})
    (path / "a.txt").write_text("hallo")
    assert store.path(EDGE) == path
    with pytest.raises(
        CorruptArtifactError, match=r"a\.txt has SHA-256 d3751d33.*, but 2cf24dba.* was written"
    ):
        store.verify(EDGE)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', "\x00\x00"])
def test_damaged_done_is_corrupt(store: Store, publish: Any, text: str) -> None:
    publish(EDGE)
    (store.folder(EDGE) / DONE).write_text(text)
    with pytest.raises(CorruptArtifactError, match=r"DONE\.json is .*dymu cache gc --corrupt"):
        store.path(EDGE)


def test_artifact_of_a_newer_dymu_is_not_called_corrupt(store: Store, publish: Any) -> None:
    publish(EDGE)
    path = store.folder(EDGE) / DONE
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(StoreError, match="has format 2; this dymu reads format 1") as caught:
        store.verify(EDGE)
    assert not isinstance(caught.value, CorruptArtifactError)


def test_damaged_artifact_can_be_removed_and_made_again(store: Store, publish: Any) -> None:
    path = publish(EDGE, {"a.txt": "hello"})
    (path / "a.txt").unlink()
    assert store.size(EDGE) > 0
    store.remove(EDGE)
    assert not store.has(EDGE)
    publish(EDGE, {"a.txt": "hello"})
    store.verify(EDGE)
