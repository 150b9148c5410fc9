import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.store import Store
from dymu.run.live import announce

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


@pytest.fixture
def copied(run_here: Dymu, tmp_path: Path) -> Path:
    """The database of a store that was copied."""
    run_here("toy_studies:ours")
    database = tmp_path / "store" / "mlflow" / "mlflow.db"
    database.parent.mkdir()
    with closing(sqlite3.connect(database)) as opened, opened:
        opened.execute("CREATE TABLE runs (artifact_uri TEXT)")
        opened.execute("INSERT INTO runs VALUES ('file:///elsewhere/mlflow/artifacts/a/artifacts')")
    return database


def location(database: Path) -> str:
    with closing(sqlite3.connect(database)) as opened:
        ((found,),) = opened.execute("SELECT artifact_uri FROM runs")
    return str(found)


def test_the_database_of_a_copy_can_be_relocated(dymu: Dymu, copied: Path) -> None:
    assert "1 entries of MLflow's database changed" in dymu("cache", "relocate").flat
    assert location(copied) == (copied.parent / "artifacts" / "a" / "artifacts").as_uri()
    assert dymu("cache", "relocate").out.startswith("0 entries")


def test_it_stays_while_something_runs(dymu: Dymu, copied: Path, tmp_path: Path) -> None:
    before = location(copied)
    with announce(Store(tmp_path / "store"), ["toy_studies-ours"]):
        said = dymu("cache", "relocate")
    assert said.code == 3
    assert "toy_studies-ours runs on" in said.err
    assert location(copied) == before


def test_a_run_of_a_copy_is_refused_before_it_begins(dymu: Dymu, copied: Path) -> None:
    before = location(copied)
    said = dymu("run", "toy_studies:ours", "--seeds", "2", "--backend", "local")
    assert said.code == 3
    assert "copied or moved" in said.err
    assert location(copied) == before
    assert "0 of" not in dymu("status").flat
    assert dymu("cache", "ls", "--json").json
