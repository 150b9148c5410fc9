import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.done import DONE
from dymu.artifacts.gc import Removed, collect, remove_damaged, verify_all
from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.store import STEP, Store
from dymu.errors import CorruptArtifactError, StoreError

ANCHOR, EDGE, EVALUATE, OTHER = "anchor/01", "edge/02", "evaluate/03", "edge/09"

Tree = Callable[[Path], dict[str, bytes]]


def form(stage: str, **inputs: str) -> str:
    return json.dumps({"stage": stage, "revision": 1, "config": {}, "inputs": inputs, "seed": 0})


@pytest.fixture
def chain(store: Store, publish: Any) -> Store:
    """anchor <- edge <- evaluate, of which a manifest names the last alone, and an edge that nobody needs."""
    publish(ANCHOR, {STEP: form("anchor"), "net": "n"})
    publish(EDGE, {STEP: form("edge", anchor=ANCHOR)})
    publish(EVALUATE, {STEP: form("evaluate", edge=EDGE)})
    publish(OTHER, {STEP: form("edge", anchor=ANCHOR), "net": "x" * 100})
    refer_to(store, EVALUATE)
    return store


def refer_to(store: Store, address: str) -> None:
    arm = ManifestArm(name="baseline", label="Ours", steps={"0": {"evaluate": address}})
    manifest = Manifest(name="d", study="d", target="d", title="d", source="", tasks=("a", "b"), arms=(arm,))
    store.save_manifest(manifest)


def told(removed: Collection[Removed]) -> set[tuple[str, str]]:
    return {(item.kind, item.address) for item in removed}


def test_unreferenced_artifact_goes_and_inputs_stay(chain: Store) -> None:
    removed = collect(chain)
    assert told(removed) == {("artifact", OTHER)}
    assert removed[0].where == str(chain.folder(OTHER))
    assert removed[0].size > 100
    assert list(chain.addresses()) == [ANCHOR, EDGE, EVALUATE]
    for address in chain.addresses():
        chain.verify(address)
    assert collect(chain) == []


def test_dry_run_tells_the_same_and_changes_nothing(chain: Store, tree: Tree) -> None:
    chain.new_attempt(EDGE)
    (chain.work_dir(ANCHOR) / "checkpoint.pt").write_text("state")
    before = tree(chain.root)
    planned = collect(chain, dry_run=True)
    assert tree(chain.root) == before
    assert collect(Store(chain.root, read_only=True), dry_run=True) == planned
    assert collect(chain) == planned
    assert told(planned) == {("artifact", OTHER), ("attempt", EDGE), ("work", ANCHOR)}


def test_kept_address_keeps_its_inputs(store: Store, publish: Any) -> None:
    publish(ANCHOR, {STEP: form("anchor")})
    publish(EDGE, {STEP: form("edge", anchor=ANCHOR)})
    publish(OTHER, {STEP: form("edge")})
    assert told(collect(store, {EDGE, "weight/planned"})) == {("artifact", OTHER)}
    assert list(store.addresses()) == [ANCHOR, EDGE]


def test_store_without_manifests_keeps_nothing(store: Store, publish: Any) -> None:
    publish(EDGE, {"net": "n"})
    assert told(collect(store)) == {("artifact", EDGE)}
    assert list(store.started()) == []


def test_attempts_that_a_crash_left_go(chain: Store) -> None:
    orphan = chain.new_attempt("weight/04")
    (orphan / "net").write_text("half")
    beside = chain.new_attempt(EDGE)
    part = chain.folder(EDGE) / f".{beside.name}.part"
    part.write_text("{")
    removed = collect(chain)
    assert {item.where for item in removed if item.kind == "attempt"} == {
        str(p) for p in (orphan, beside, part)
    }
    assert not chain.folder("weight/04").exists()
    chain.verify(EDGE)


def test_scratch_of_a_finished_step_goes(chain: Store) -> None:
    (chain.work_dir(EDGE) / "checkpoint.pt").write_text("state")
    removed = [item for item in collect(chain) if item.kind == "work"]
    assert told(removed) == {("work", EDGE)}
    assert removed[0].size == 5
    assert list(chain.works()) == []
    chain.verify(EDGE)


def test_scratch_of_a_step_that_can_go_on_stays(chain: Store) -> None:
    work = chain.work_dir("weight/04")
    (work / "checkpoint.pt").write_text("state")
    collect(chain)
    assert (work / "checkpoint.pt").read_text() == "state"


def test_inputs_of_a_step_that_can_go_on_stay(chain: Store) -> None:
    (chain.work_dir("weight/04") / STEP).write_text(form("weight", edge=OTHER))
    assert collect(chain) == []
    chain.verify(OTHER)


def test_leased_steps_are_not_touched(chain: Store) -> None:
    attempt = chain.new_attempt("weight/04")
    (attempt / "net").write_text("half")
    (chain.work_dir(EDGE) / "checkpoint.pt").write_text("state")
    with chain.lease("weight/04"), chain.lease(EDGE), chain.lease(OTHER):
        assert collect(chain, dry_run=True) == []
        assert collect(chain) == []
        assert (attempt / "net").exists()
        assert chain.has(OTHER)
    assert told(collect(chain)) == {("attempt", "weight/04"), ("work", EDGE), ("artifact", OTHER)}


def test_unreadable_inputs_of_a_kept_artifact_stop_it(chain: Store, tree: Tree) -> None:
    (chain.path(EDGE) / STEP).write_text("{")
    before = tree(chain.root)
    with pytest.raises(CorruptArtifactError, match=f"{STEP} of {EDGE} cannot be read.*dymu cache verify"):
        collect(chain)
    assert tree(chain.root) == before


def test_damaged_artifact_that_nobody_needs_goes(chain: Store) -> None:
    (chain.folder(OTHER) / DONE).write_text("{")
    assert told(collect(chain)) == {("artifact", OTHER)}


def test_space_is_freed_on_a_full_disk(small_disk: Path) -> None:
    store = Store(small_disk / "store")
    attempt = store.new_attempt(EDGE)
    (attempt / "a").write_text("a")
    store.publish(EDGE, attempt, info={})
    with pytest.raises(OSError, match="No space left"):
        (store.new_attempt(OTHER) / "big").write_bytes(bytes(1 << 20))
    with pytest.raises(StoreError, match="No space left"):
        store.lease(EDGE).try_acquire()
    removed = collect(store, {EDGE})
    assert told(removed) == {("attempt", OTHER)}
    assert removed[0].size > 100_000
    store.verify(EDGE)


def test_verify_all_tells_what_is_damaged(chain: Store) -> None:
    (chain.path(ANCHOR) / "net").write_text("m")
    found = dict(verify_all(chain))
    assert list(found) == [ANCHOR, EDGE, OTHER, EVALUATE]
    assert "net has SHA-256" in str(found.pop(ANCHOR))
    assert set(found.values()) == {None}


def test_damaged_artifacts_go_even_if_needed(chain: Store) -> None:
    (chain.path(ANCHOR) / "net").write_text("m")
    (chain.folder(EDGE) / DONE).write_text("")
    planned = remove_damaged(chain, dry_run=True)
    assert told(planned) == {("damaged", ANCHOR), ("damaged", EDGE)}
    assert chain.has(ANCHOR)
    assert remove_damaged(chain) == planned
    assert list(chain.addresses()) == [OTHER, EVALUATE]
    assert all(error is None for _, error in verify_all(chain))


def test_damaged_artifact_that_is_leased_stays(chain: Store) -> None:
    (chain.path(ANCHOR) / "net").write_text("m")
    with chain.lease(ANCHOR):
        assert remove_damaged(chain) == []
    assert chain.has(ANCHOR)


def test_artifact_of_a_newer_dymu_is_not_removed_as_damaged(chain: Store) -> None:
    path = chain.folder(EDGE) / DONE
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(StoreError, match="has format 2"):
        remove_damaged(chain)
    assert chain.has(EDGE)
