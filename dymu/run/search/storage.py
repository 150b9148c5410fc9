"""Where Optuna keeps a search: a journal in the store, or a database."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from dymu.artifacts.files import disk_errors
from dymu.artifacts.store import Store
from dymu.artifacts.trials import address_of
from dymu.errors import BackendError, SpecError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

JOURNAL = "journal.log"
_GRACE_S = 10  # a lock of the journal that is older belongs to a driver that was killed
_CREDENTIALS = re.compile(r"(?<=://)([^/@:]*):[^/@]*@")


def open_storage(store: Store, key: str, url: str | None) -> "BaseStorage":
    """The storage of a search; the caller holds its lease.

    Args:
        store: Without a URL the journal lies in the work folder of the search; also works on NFS.
        key: Name and identity of the search.
        url: Of a database that SQLAlchemy understands, or ``None``.

    Raises:
        SpecError: If the store cannot hold a journal and no URL was given.
        BackendError: If the database cannot be used.
        StoreError: If the journal cannot be written.
    """
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

    if url is None:
        path = journal_of(store, key)
        with disk_errors(path, doing="write"):
            mend_journal(path)
        lock = JournalFileSymlinkLock(str(path), grace_period=_GRACE_S)
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    try:
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        advice = "Write it as sqlite:////folder/file.db or postgresql+psycopg2://user@host/database."
        raise BackendError(f"the Optuna storage {shown(url)} cannot be used: {reason}. {advice}") from error


def journal_of(store: Store, key: str) -> Path:
    """The journal file of a search.

    Raises:
        SpecError: If the store is no folder; appending to a file needs one.
    """
    if "://" in store.location:
        raise SpecError(
            f"the store {store.location} has no files that can grow, which Optuna's journal needs; keep the "
            "trials in a database: --optuna-storage postgresql+psycopg2://user@host/database."
        )
    return store.work_dir(address_of(key)) / JOURNAL


def mend_journal(path: Path) -> None:
    """Take away a last line that a full disk or a power cut has left half written; nobody else may write."""
    if not path.exists():
        return
    text = path.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        with path.open("r+b") as file:
            file.truncate(whole)


def shown(url: str | None) -> str:
    """A storage as it may be printed: without a password."""
    return f"{JOURNAL} in the store" if url is None else _CREDENTIALS.sub(r"\1:***@", url)
