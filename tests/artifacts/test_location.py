from pathlib import Path

import pytest

from dymu.artifacts.location import find_store, named, open_store
from dymu.artifacts.store import Store
from dymu.errors import StoreError


@pytest.mark.parametrize("kind", ["path", "text", "url"])
def test_folder_is_opened_however_it_is_named(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "my store"
    locations: dict[str, str | Path] = {"path": folder, "text": str(folder), "url": folder.as_uri()}
    location = locations[kind]
    store = open_store(location)
    assert type(store) is Store
    assert store.root == folder
    assert (folder / "store.json").exists()


def test_location_opens_the_same_store(store: Store) -> None:
    assert open_store(store.location).root == store.root


def test_nothing_named_is_the_environment_or_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DYMU_STORE", raising=False)
    assert open_store().root == tmp_path / ".dymu"
    monkeypatch.setenv("DYMU_STORE", str(tmp_path / "named"))
    assert open_store().root == tmp_path / "named"


def test_store_to_read_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a store"):
        open_store(tmp_path / "none", read_only=True)
    assert not (tmp_path / "none").exists()


def test_unknown_scheme_is_refused_before_a_folder_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="ftp://host/x is no place for a store; expected a folder or s3, gs"):
        open_store("ftp://host/x")
    assert not list(tmp_path.iterdir())


def test_store_that_is_not_there_is_not_found_and_not_made(
    tmp_path: Path, s3: tuple[str, dict[str, str]]
) -> None:
    (tmp_path / "empty").mkdir()
    for location in (tmp_path / "none", tmp_path / "empty", s3[0]):
        assert find_store(location) is None
    assert not (tmp_path / "none").exists()
    assert find_store(s3[0]) is None


def test_store_that_is_there_is_found_to_be_read(tmp_path: Path, s3: tuple[str, dict[str, str]]) -> None:
    for location in (str(tmp_path / "store"), s3[0]):
        open_store(location)
        found = find_store(location)
        assert found is not None
        assert found.location == location
        assert found.read_only


def test_folder_with_something_else_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(StoreError, match="is not a store"):
        find_store(tmp_path)


def test_named_is_what_was_given_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYMU_STORE", "s3://bucket/prefix")
    assert named("there") == "there"
    assert named(None) == "s3://bucket/prefix"
