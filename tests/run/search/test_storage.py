from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.store import Store
from dymu.errors import BackendError, SpecError
from dymu.run.search.storage import journal_of, mend_journal, open_storage, shown


def test_the_journal_lies_in_the_work_folder_of_the_search(store: Store) -> None:
    open_storage(store, "one-0a1b2c3d", None)
    assert (
        journal_of(store, "one-0a1b2c3d") == store.root / "work" / "search" / "one-0a1b2c3d" / "journal.log"
    )


def test_a_store_without_files_that_grow_needs_a_database(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "location", property(lambda _: "s3://bucket/prefix"))
    with pytest.raises(SpecError, match=r"s3://bucket/prefix has no files that can grow.*--optuna-storage"):
        open_storage(store, "one-0a1b2c3d", None)


@pytest.mark.parametrize(
    "url", ["nonsense://x", "sqlite:////no/such/folder/x.db", "postgresql+nodriver://u:secret@h/db"]
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(store: Store, url: str) -> None:
    with pytest.raises(BackendError, match=r"cannot be used: .*postgresql\+psycopg2://user@host") as caught:
        open_storage(store, "one-0a1b2c3d", url)
    assert "secret" not in str(caught.value).partition(": ")[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"", b""), (b"a\nb\n", b"a\nb\n"), (b"a\nb", b"a\n"), (b"half", b"")],
)
def test_a_line_that_was_half_written_goes(tmp_path: Path, text: bytes, expected: bytes) -> None:
    journal = tmp_path / "journal.log"
    journal.write_bytes(text)
    mend_journal(journal)
    assert journal.read_bytes() == expected


def test_a_mended_journal_goes_on(make_search: Any, open_desk: Any, store: Store) -> None:
    desk = open_desk(make_search())
    first = desk.next()
    desk.close()
    with journal_of(store, desk.key).open("ab") as file:
        file.write(b'{"op_code": 4, "worker')
    again = open_desk(make_search())
    assert again.next().params == first.params


def test_passwords_are_not_shown() -> None:
    assert shown(None) == "journal.log in the store"
    assert shown("postgresql+psycopg2://me:secret@host/db") == "postgresql+psycopg2://me:***@host/db"
    assert shown("sqlite:////folder/x.db") == "sqlite:////folder/x.db"
