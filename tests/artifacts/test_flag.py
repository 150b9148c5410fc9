from pathlib import Path

import pytest

from dymu.artifacts.flag import FileFlag
from dymu.artifacts.store import Store
from dymu.errors import SpecError, StoreError


def test_flag_is_down_until_it_is_raised(tmp_path: Path) -> None:
    flag, other = FileFlag(tmp_path / "stop" / "4711"), FileFlag(tmp_path / "stop" / "4711")
    assert not flag.raised()
    flag.raise_()
    flag.raise_()
    assert other.raised()
    other.lower()
    other.lower()
    assert not flag.raised()


def test_refusing_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / "stop").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write"):
        FileFlag(tmp_path / "stop" / "4711").raise_()


def test_store_shares_flags_between_processes(store: Store) -> None:
    store.flag("stop/4711").raise_()
    other = Store(store.root, read_only=True)
    assert other.flag("stop/4711").raised()
    assert not other.flag("stop/4712").raised()


@pytest.mark.parametrize("name", ["", "../x", "/x", "a//b", "a.b", "a/"])
def test_only_words_name_a_flag(store: Store, name: str) -> None:
    with pytest.raises(SpecError, match="does not name a flag"):
        store.flag(name)
