import json
import threading
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.bucket import Bucket
from dymu.artifacts.damage import REASON
from dymu.artifacts.done import DONE
from dymu.artifacts.location import open_store
from dymu.artifacts.remote import ObjectStore
from dymu.errors import CorruptArtifactError, StoreError

EDGE = "edge/00000000000000aa"
FILES = {"net.safetensors": "weights" * 1000, "more/b.txt": "b"}

PUBLISHER = """
import json, sys
from dymu.artifacts.location import open_store

location, name = sys.argv[1:]
store = open_store(location)
attempt = store.new_attempt("edge/00000000000000aa")
(attempt / "net.safetensors").write_text(name * 1000)
(attempt / "by.txt").write_text(name)
print("ready", flush=True)
sys.stdin.readline()
folder = store.publish("edge/00000000000000aa", attempt, info={"by": name})
store.verify("edge/00000000000000aa")
print(json.dumps([folder.name, (folder / "by.txt").read_text()]), flush=True)
"""


def bucket_of(store: ObjectStore) -> Bucket:
    return store._bucket


def objects(store: ObjectStore) -> dict[str, int]:
    return {blob.key: blob.size for blob in bucket_of(store).list("")}


def key_of(store: ObjectStore, name: str) -> str:
    return f"artifacts/{EDGE}/{store.done(EDGE)['attempt']}/{name}"


def elsewhere(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """The same store as another machine sees it."""
    monkeypatch.setenv("DYMU_CACHE", str(tmp_path / "another machine"))
    found = open_store(store.location)
    assert isinstance(found, ObjectStore)
    return found


def flip(store: ObjectStore, name: str) -> None:
    """Change a bit of a published file, which keeps its size."""
    found = bucket_of(store).read(key_of(store, name))
    assert found is not None
    content = bytearray(found[0])
    content[len(content) // 2] ^= 4
    bucket_of(store).write(key_of(store, name), bytes(content))


def test_published_files_are_brought_to_another_machine(
    remote: ObjectStore, put_into: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = put_into(remote, EDGE, FILES)
    other = elsewhere(remote, tmp_path, monkeypatch)
    there = other.path(EDGE)
    assert there != here
    assert {name: (there / name).read_text() for name in FILES} == FILES
    assert other.done(EDGE) == remote.done(EDGE)


def test_files_that_are_here_are_not_brought_again(
    remote: ObjectStore, put_into: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_into(remote, EDGE, FILES)
    monkeypatch.setattr(Bucket, "download", None)
    assert (remote.path(EDGE) / "more" / "b.txt").read_text() == "b"


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_two_processes_publish_at_once_and_one_wins(
    kind: str, tmp_path: Path, s3: tuple[str, dict[str, str]], run_python: Any
) -> None:
    location = str(tmp_path / "store") if kind == "folder" else s3[0]
    store = open_store(location)
    processes = [
        run_python(PUBLISHER, location, name, DYMU_CACHE=str(tmp_path / name)) for name in ("one", "two")
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = []
    for process in processes:
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        told.append(json.loads(output))
    assert told[0] == told[1]
    assert store.done(EDGE)["attempt"] == told[0][0]
    assert store.done(EDGE)["info"] == {"by": told[0][1]}
    assert store.unpublished(EDGE) == {}
    store.verify(EDGE)


def test_of_many_threads_that_publish_one_wins(remote: ObjectStore, put_into: Any) -> None:
    start, paths = threading.Barrier(5), []

    def publish(number: int) -> None:
        start.wait()
        paths.append(put_into(remote, EDGE, {"a.txt": str(number)}))

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 1
    assert remote.unpublished(EDGE) == {}
    assert len([key for key in objects(remote) if key.startswith(f"artifacts/{EDGE}/att-")]) == 1


def test_interrupted_upload_is_no_artifact(
    remote: ObjectStore, put_into: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Bucket.write, iter(range(100))

    def write(self: Bucket, key: str, content: Any) -> None:
        if next(calls) == 1:
            raise StoreError("the network is away")
        real(self, key, content)

    monkeypatch.setattr(Bucket, "write", write)
    with pytest.raises(StoreError, match="the network is away"):
        put_into(remote, EDGE, FILES)
    assert not remote.has(EDGE)
    assert remote.unpublished(EDGE) == {}
    assert not list(remote.folder(EDGE).iterdir())
    put_into(remote, EDGE, FILES)
    remote.verify(EDGE)


def test_killed_upload_is_an_attempt_that_can_go(remote: ObjectStore, put_into: Any) -> None:
    bucket_of(remote).write(f"artifacts/{EDGE}/att-killed/net.safetensors", b"half")
    assert not remote.has(EDGE)
    assert list(remote.started()) == [EDGE]
    assert remote.unpublished(EDGE) == {"att-killed": 4}
    put_into(remote, EDGE, FILES)
    assert remote.unpublished(EDGE) == {"att-killed": 4}
    assert remote.drop(EDGE, "att-killed") == 4
    remote.verify(EDGE)


def test_upload_that_lost_a_file_on_its_way_is_not_published(
    remote: ObjectStore, put_into: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Bucket.write

    def write(self: Bucket, key: str, content: Any) -> None:
        if not key.endswith("b.txt"):
            real(self, key, content)

    monkeypatch.setattr(Bucket, "write", write)
    with pytest.raises(StoreError, match=r"holds other files than were sent \(more/b.txt\)"):
        put_into(remote, EDGE, FILES)
    assert not remote.has(EDGE)


def test_lost_answer_to_the_last_write_is_no_defeat(
    remote: ObjectStore, put_into: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Bucket.create

    def arrives_but_is_refused(self: Bucket, key: str, content: bytes, *, quick: bool = False) -> None:
        real(self, key, content, quick=quick)

    monkeypatch.setattr(Bucket, "create", arrives_but_is_refused)
    path = put_into(remote, EDGE, FILES)
    assert remote.done(EDGE)["attempt"] == path.name
    remote.verify(EDGE)


def test_flipped_bit_in_the_bucket_is_found(remote: ObjectStore, put_into: Any) -> None:
    put_into(remote, EDGE, FILES)
    remote.verify(EDGE)
    flip(remote, "net.safetensors")
    with pytest.raises(CorruptArtifactError, match=r"s3://dymu/.*net.safetensors has 7000 bytes and SHA-256"):
        remote.verify(EDGE)


def test_flipped_bit_is_not_brought_to_another_machine(
    remote: ObjectStore, put_into: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_into(remote, EDGE, FILES)
    flip(remote, "net.safetensors")
    other = elsewhere(remote, tmp_path, monkeypatch)
    with pytest.raises(CorruptArtifactError, match="SHA-256"):
        other.path(EDGE)
    assert not list(other.folder(EDGE).rglob("net*"))


def test_truncated_or_missing_object_is_found(remote: ObjectStore, put_into: Any) -> None:
    put_into(remote, EDGE, FILES)
    bucket_of(remote).write(key_of(remote, "net.safetensors"), b"wei")
    with pytest.raises(CorruptArtifactError, match="has 3 bytes"):
        remote.verify(EDGE)
    bucket_of(remote).remove([key_of(remote, "net.safetensors")])
    with pytest.raises(CorruptArtifactError, match=r"net.safetensors is missing"):
        remote.verify(EDGE)


@pytest.mark.parametrize("damage", ["truncated", "gone", "folder gone"])
def test_damaged_mirror_is_mended(remote: ObjectStore, put_into: Any, damage: str) -> None:
    path = put_into(remote, EDGE, FILES) / "net.safetensors"
    match damage:
        case "truncated":
            path.write_text("wei")
        case "gone":
            path.unlink()
        case "folder gone":
            path.parent.rename(path.parent.with_name("elsewhere"))
    assert (remote.path(EDGE) / "net.safetensors").read_text() == FILES["net.safetensors"]


def test_flipped_bit_in_the_mirror_is_mended_when_verified(remote: ObjectStore, put_into: Any) -> None:
    path = put_into(remote, EDGE, FILES) / "net.safetensors"
    path.write_text("W" + FILES["net.safetensors"][1:])
    remote.verify(EDGE)
    assert path.read_text() == FILES["net.safetensors"]


def test_damaged_artifact_is_set_aside_and_made_again(remote: ObjectStore, put_into: Any) -> None:
    put_into(remote, EDGE, FILES)
    assert remote.set_aside(EDGE, "is sound") is None
    flip(remote, "net.safetensors")
    where = remote.set_aside(EDGE, "a bit flipped")
    assert where is not None
    assert where.startswith(f"{remote.location}/damaged/{EDGE}-")
    assert not remote.has(EDGE)
    assert list(remote.addresses()) == []
    with pytest.raises(StoreError, match=f"has no artifact {EDGE}"):
        remote.path(EDGE)
    aside = where.removeprefix(remote.location + "/")
    kept = {key.removeprefix(aside).split("/")[-1] for key in objects(remote) if key.startswith(aside)}
    assert kept == {DONE, REASON, "net.safetensors", "b.txt"}
    put_into(remote, EDGE, FILES)
    remote.verify(EDGE)
    assert remote.has(EDGE)
    assert list(remote.addresses()) == [EDGE]


def test_who_is_slower_to_set_aside_does_no_harm(
    remote: ObjectStore, put_into: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_into(remote, EDGE, FILES)
    flip(remote, "net.safetensors")
    real = Bucket.copy

    def copy(self: Bucket, source: str, target: str) -> bool:
        monkeypatch.setattr(Bucket, "copy", real)
        assert remote.set_aside(EDGE, "the faster") is not None
        put_into(remote, EDGE, FILES)
        return real(self, source, target)

    monkeypatch.setattr(Bucket, "copy", copy)
    assert remote.set_aside(EDGE, "the slower") is None
    remote.verify(EDGE)
    assert len(remote.damaged()) == 1


def test_unreadable_done_is_damage(remote: ObjectStore, put_into: Any) -> None:
    put_into(remote, EDGE, FILES)
    bucket_of(remote).write(f"artifacts/{EDGE}/{DONE}", b"{")
    with pytest.raises(CorruptArtifactError, match=r"DONE.json is damaged"):
        remote.verify(EDGE)
    assert remote.set_aside(EDGE, "cannot be read") is not None
    put_into(remote, EDGE, FILES)
    remote.verify(EDGE)


def test_deleted_objects_mid_study_are_noticed(remote: ObjectStore, put_into: Any) -> None:
    put_into(remote, EDGE, FILES)
    assert remote.has(EDGE)
    bucket_of(remote).remove([key for key in objects(remote) if key.startswith("artifacts/")])
    with pytest.raises(StoreError, match=f"has no artifact {EDGE}"):
        remote.verify(EDGE)
    assert not remote.has(EDGE)
    put_into(remote, EDGE, FILES)
    remote.verify(EDGE)


def test_removed_artifact_is_gone_here_and_there(remote: ObjectStore, put_into: Any) -> None:
    path = put_into(remote, EDGE, FILES)
    size = remote.size(EDGE)
    assert remote.remove(EDGE) == size
    assert not path.exists()
    assert not remote.has(EDGE)
    assert {key: size for key, size in objects(remote).items() if key.startswith("artifacts")} == {
        f"artifacts/{EDGE}/{DONE}": 0
    }
    assert put_into(remote, EDGE, FILES) != path
    remote.verify(EDGE)
