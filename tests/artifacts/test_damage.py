import json
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.damage import REASON, attempt_of, damaged_attempt, move_aside
from dymu.artifacts.done import DONE
from dymu.artifacts.store import Store
from dymu.errors import CorruptArtifactError, StoreError

ADDRESS = "edge/00000000000000aa"


@pytest.fixture
def artifact(publish: Any) -> Path:
    return publish(ADDRESS, {"a.txt": "weights", "more/b.txt": "b"})


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def test_sound_artifact_has_no_damaged_attempt(artifact: Path) -> None:
    assert damaged_attempt(artifact.parent, address=ADDRESS) is None


@pytest.mark.parametrize("damage", ["flipped", "truncated", "file gone", "folder gone"])
def test_damage_is_found(artifact: Path, damage: str) -> None:
    match damage:
        case "flipped":
            flip(artifact / "a.txt")
        case "truncated":
            (artifact / "a.txt").write_text("wei")
        case "file gone":
            (artifact / "more" / "b.txt").unlink()
        case "folder gone":
            artifact.rename(artifact.with_name("elsewhere"))
    assert damaged_attempt(artifact.parent, address=ADDRESS) == artifact.name


def test_unreadable_done_is_damage_of_no_known_attempt(artifact: Path) -> None:
    (artifact.parent / DONE).write_text('{"format": 1, ')
    assert damaged_attempt(artifact.parent, address=ADDRESS) == ""
    assert attempt_of((artifact.parent / DONE).read_bytes()) == ""


def test_set_aside_makes_room_and_keeps_all(store: Store, publish: Any, artifact: Path) -> None:
    flip(artifact / "a.txt")
    with pytest.raises(CorruptArtifactError, match="SHA-256"):
        store.verify(ADDRESS)
    where = store.set_aside(ADDRESS, "bits flipped")
    assert where is not None
    aside = Path(where)
    assert aside.parent == store.root / "damaged" / "edge"
    assert aside.name.startswith("00000000000000aa-")
    assert (aside / artifact.name / "more" / "b.txt").read_text() == "b"
    assert json.loads((aside / REASON).read_text())["reason"] == "bits flipped"
    assert not store.has(ADDRESS)
    again = publish(ADDRESS, {"a.txt": "weights", "more/b.txt": "b"})
    store.verify(ADDRESS)
    assert (again / "a.txt").read_text() == "weights"


def test_sound_artifact_is_not_set_aside(store: Store, artifact: Path) -> None:
    assert store.set_aside(ADDRESS, "seen damaged before somebody repaired it") is None
    assert store.path(ADDRESS) == artifact
    assert not (store.root / "damaged").exists()


def test_nothing_is_set_aside_where_nothing_is(store: Store) -> None:
    assert store.set_aside(ADDRESS, "gone") is None


def test_artifact_without_its_files_is_set_aside(store: Store, artifact: Path) -> None:
    artifact.rename(store.root / "gone")
    assert store.set_aside(ADDRESS, "files are gone") is not None
    assert not store.has(ADDRESS)


def test_attempts_of_others_stay_when_one_is_set_aside(store: Store, artifact: Path) -> None:
    other = store.new_attempt(ADDRESS)
    flip(artifact / "a.txt")
    assert store.set_aside(ADDRESS, "flipped") is not None
    (other / "a.txt").write_text("weights")
    assert store.publish(ADDRESS, other, info={}) == other


def test_of_two_who_set_aside_the_slower_does_no_harm(store: Store, publish: Any, artifact: Path) -> None:
    flip(artifact / "a.txt")
    judged = damaged_attempt(artifact.parent, address=ADDRESS)
    assert judged is not None
    assert store.set_aside(ADDRESS, "the faster") is not None
    repaired = publish(ADDRESS, {"a.txt": "weights"})
    aside = store.root / "damaged" / "edge" / "slower"
    assert not move_aside(artifact.parent, aside, attempt=judged, reason="the slower")
    assert not aside.exists()
    assert store.path(ADDRESS) == repaired
    store.verify(ADDRESS)


def test_two_who_set_aside_nothing_leave_nothing(store: Store, artifact: Path) -> None:
    (artifact.parent / DONE).unlink()
    aside = store.root / "damaged" / "edge" / "slower"
    assert not move_aside(artifact.parent, aside, attempt=artifact.name, reason="the slower")
    assert not aside.exists()


def test_read_only_store_sets_nothing_aside(store: Store, artifact: Path) -> None:
    flip(artifact / "a.txt")
    with pytest.raises(StoreError, match="opened for reading only"):
        Store(store.root, read_only=True).set_aside(ADDRESS, "flipped")
    assert store.has(ADDRESS)


def test_refusing_disk_leaves_the_artifact(
    store: Store, artifact: Path, fail_on: Any, disk_error: int
) -> None:
    flip(artifact / "a.txt")
    fail_on("rename", disk_error)
    with pytest.raises(StoreError, match="cannot move"):
        store.set_aside(ADDRESS, "flipped")
    assert store.has(ADDRESS)
