from collections.abc import Callable
from pathlib import Path
from typing import Any

from dymu.artifacts.store import Store

Dymu = Callable[..., Any]


def test_the_store_can_be_listed(finished: Dymu) -> None:
    rows = finished("cache", "ls", "--json").json
    assert len(rows) == 8
    assert all(row["bytes"] > 0 and row["needed_by"] == ["toy_studies-ours.toy_question"] for row in rows)
    assert "8 artifacts" in finished("cache", "ls").out


def test_collecting_asks_first(finished: Dymu, tmp_path: Path) -> None:
    (tmp_path / "store" / "manifests" / "toy_studies-ours.toy_question.json").unlink()
    assert "add --yes to remove them" in finished("cache", "gc").flat
    assert len(finished("cache", "ls", "--json").json) == 8
    assert "removed" in finished("cache", "gc", "--yes").flat
    kept = {row["address"].partition("/")[0] for row in finished("cache", "ls", "--json").json}
    assert kept <= {"anchor", "affinity", "edge"}  # a step that has begun can go on


def test_damage_is_found_removed_and_mended(dymu: Dymu, run_here: Dymu, tmp_path: Path) -> None:
    run_here("toy_studies:ours")
    store = Store(tmp_path / "store")
    (address,) = store.addresses("weight")
    file = store.path(address) / "result.json"
    file.write_text(file.read_text().replace("1", "2").replace("3", "4"))
    said = dymu("cache", "verify")
    assert said.code == 3
    assert address in said.err
    assert dymu("cache", "verify", "--json").json["damaged"].keys() == {address}
    assert "1 entries" in dymu("cache", "gc", "--corrupt", "--yes").flat
    (final,) = store.addresses("evaluate")
    store.remove(final)
    assert run_here("toy_studies:ours").code == 0
    assert dymu("cache", "verify").code == 0
