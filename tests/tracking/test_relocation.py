import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.store import Store
from dymu.artifacts.trials import SearchResult
from dymu.errors import TrackingError
from dymu.tracking.relocation import check_place, relocate
from dymu.tracking.search import SearchTracking
from dymu.tracking.writer import StudyWriter

LOCATIONS = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "source",
}


def rows(store: Store, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(store.mlflow_dir / "mlflow.db")) as database, database:
        return database.execute(query).fetchall()


def files(store: Store) -> dict[str, int]:
    folder = store.mlflow_dir / "artifacts"
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in found}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def told(tracked: Any) -> Any:
    """A study whose first seed is told, in a store that stays where it is."""
    for arm in tracked.arms:
        for stage in ("anchor", "edge", "evaluate"):
            tracked.publish(arm, 0, stage)
    StudyWriter(tracked.store, tracked.manifest).finish({})
    return tracked


@pytest.fixture
def copy(told: Any, tmp_path: Path) -> Store:
    """A copy of its store, in a folder with a space."""
    return Store(shutil.copytree(told.store.root, tmp_path / "a copy"))


def test_a_store_without_a_database_is_all_right(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    check_place(store)
    assert relocate(store) == 0
    assert not store.mlflow_dir.exists()


def test_a_store_that_stayed_is_all_right(told: Any) -> None:
    check_place(told.store)
    assert relocate(told.store) == 0


def test_so_is_one_that_a_link_leads_to(told: Any, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(told.store.root)
    check_place(Store(tmp_path / "link"))


def test_a_copy_is_refused_with_what_to_do(told: Any, copy: Store) -> None:
    with pytest.raises(TrackingError) as caught:
        check_place(copy)
    assert f"keeps files of runs in {told.store.mlflow_dir / 'artifacts'}" in str(caught.value)
    assert f"`dymu cache relocate --store '{copy.root}'`" in str(caught.value)


def test_nothing_is_told_from_a_copy(told: Any, copy: Store) -> None:
    before = everything(told.store.root), files(copy), rows(copy, "SELECT run_uuid FROM runs")
    with pytest.raises(TrackingError, match="copied or moved"):
        StudyWriter(copy, told.manifest)
    with pytest.raises(TrackingError, match="copied or moved"):
        SearchTracking(copy, uri=None, enabled=True)
    assert (everything(told.store.root), files(copy), rows(copy, "SELECT run_uuid FROM runs")) == before


def test_another_server_may_be_told_from_a_copy(told: Any, copy: Store) -> None:
    StudyWriter(copy, told.manifest, tracking_uri="http://127.0.0.1:9")
    SearchTracking(copy, uri=None, enabled=False).finish(list[SearchResult](), {})


def test_a_copy_that_was_relocated_is_told_in_its_own_files(told: Any, copy: Store) -> None:
    originals, kept = files(told.store), files(copy)
    assert len(kept) == 2
    assert relocate(copy) > 0
    check_place(copy)
    for arm in told.arms:
        told.publish(arm, 1, "edge")
        told.publish(arm, 1, "evaluate")
    shutil.copytree(told.store.root / "artifacts", copy.root / "artifacts", dirs_exist_ok=True)
    StudyWriter(copy, told.manifest).finish({})
    assert files(told.store) == originals
    assert len(files(copy)) == 4
    assert files(copy).items() > kept.items()
    assert len(rows(copy, "SELECT * FROM runs WHERE name = 'parts'")) == 1


def test_every_location_follows(told: Any, copy: Store) -> None:
    other = (told.store.mlflow_dir / "artifacts").as_uri()
    rows(
        copy,
        "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, "
        "creation_timestamp_ms, last_updated_timestamp_ms, status) "
        f"VALUES ('m-1', 1, 'controller', '{other}/models/m-1/artifacts', 0, 0, 2)",
    )
    rows(copy, "INSERT INTO registered_models (name) VALUES ('digits')")
    rows(
        copy,
        "INSERT INTO model_versions (name, version, source) "
        f"VALUES ('digits', 1, '{other}/models/m-1/artifacts')",
    )
    relocate(copy)
    own = (copy.mlflow_dir / "artifacts").as_uri()
    assert "%20" in own
    for table, column in LOCATIONS.items():
        where = "WHERE experiment_id != 0" if table == "experiments" else ""
        found = [location for (location,) in rows(copy, f"SELECT {column} FROM {table} {where}")]
        assert found, table
        assert all(location.startswith(own) for location in found), found
    ((source,),) = rows(copy, "SELECT source FROM model_versions")
    assert source == f"{own}/models/m-1/artifacts"


def test_what_a_user_keeps_elsewhere_is_left_alone(copy: Store) -> None:
    relocate(copy)
    for place in ("s3://bucket/mlflow/artifacts", "file:///elsewhere/of-mine", "mlflow-artifacts:/1"):
        rows(copy, f"UPDATE experiments SET artifact_location = '{place}' WHERE experiment_id = 1")
        check_place(copy)
        assert relocate(copy) == 0


def test_files_that_were_told_into_the_original_are_brought(told: Any, copy: Store) -> None:
    expected = files(copy).keys()
    (one, *_) = (copy.mlflow_dir / "artifacts").iterdir()
    shutil.rmtree(one)
    (one.parent / f"{one.name}.part").mkdir()  # an earlier attempt was killed
    before = files(told.store)
    relocate(copy)
    assert files(copy).keys() == expected
    assert files(told.store) == before


def test_a_location_cannot_lead_out_of_the_store(copy: Store, tmp_path: Path) -> None:
    relocate(copy)
    (tmp_path / "secret").mkdir()
    crafted = f"{tmp_path.as_uri()}/x/mlflow/artifacts/../../../secret"
    rows(copy, f"UPDATE runs SET artifact_uri = '{crafted}' WHERE name = 'parts'")
    before = everything(tmp_path)
    assert relocate(copy) == 0
    assert everything(tmp_path).keys() == before.keys()


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.mlflow_dir.mkdir()
    (store.mlflow_dir / "mlflow.db").write_text("this is no database, however long one looks at it" * 30)
    for act in (check_place, relocate):
        with pytest.raises(TrackingError, match="delete the folder"):
            act(store)


def test_a_moved_store_goes_on_after_relocation(told: Any, copy: Store) -> None:
    """As after ``mv``: the original is not there, and must not come back."""
    moved = Store(shutil.copytree(copy.root, copy.root.parent / "moved"))
    rows(moved, f"UPDATE runs SET artifact_uri = replace(artifact_uri, '{told.store.root}', '/nowhere')")
    with pytest.raises(TrackingError, match="/nowhere/mlflow/artifacts"):
        check_place(moved)
    relocate(moved)
    check_place(moved)
    assert not Path("/nowhere").exists()
