"""Whether the files that the database in a store names lie in that store, and how they come to.

MLflow keeps the folder of each experiment, run and model by its whole path. In a store that was copied or
moved these are folders of the store that it was made from, and whatever was told would end up there.
"""

import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from dymu.artifacts.files import disk_errors
from dymu.artifacts.store import Store
from dymu.errors import TrackingError

_FILES = "/mlflow/artifacts"  # of a store; what a user logged to another place is left alone
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


@dataclass(frozen=True, kw_only=True)
class _Stray:
    """A location in another store.

    Attributes:
        table: Where the database has it.
        column: The same.
        uri: As it stands there.
        place: The other store's folder of files.
        path: What is meant in that folder; empty for all of it.
    """

    table: str
    column: str
    uri: str
    place: Path
    path: str


def check_place(store: Store) -> None:
    """Refuse a store whose database keeps files in another store; one without a database is all right.

    Raises:
        TrackingError: If it does, or cannot be read.
    """
    database = _database(store)
    if not database.exists():
        return
    # Not "ro", which would leave the files of a write-ahead log behind.
    with _reading(database), closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True)) as opened:
        places = sorted({str(stray.place) for stray in _strays(opened, database.parent)})
    if places:
        raise TrackingError(
            f"{database} keeps files of runs in {', '.join(places)}, outside its store, which was copied or "
            f"moved. `dymu cache relocate --store {shlex.quote(store.location)}` brings them here; if it "
            "is the same folder under another path, use that path."
        )


def relocate(store: Store) -> int:
    """Have the database of a store keep its files there; those of runs that lie only elsewhere are copied.

    Returns:
        How many entries of experiments, runs and models were changed.

    Raises:
        TrackingError: If the database cannot be read or written.
        StoreError: If the disk refuses.
    """
    database = _database(store)
    if not database.exists():
        return 0
    files = database.parent / "artifacts"
    changed = 0
    with (
        disk_errors(files, doing="write"),
        FileLock(database.parent / "create.lock"),
        _reading(database),
        closing(sqlite3.connect(database, isolation_level=None)) as opened,
    ):
        opened.execute("BEGIN IMMEDIATE")
        for stray in list(_strays(opened, database.parent)):
            if stray.path:
                _bring(stray.place / stray.path, files / stray.path)
            uri = files.as_uri() + stray.uri.rpartition(_FILES)[2]
            where = f"{stray.column} = ?"
            found = opened.execute(f"UPDATE {stray.table} SET {where} WHERE {where}", (uri, stray.uri))
            changed += found.rowcount
        opened.execute("COMMIT")
    return changed


def _database(store: Store) -> Path:
    return store.mlflow_dir.absolute() / "mlflow.db"


def _strays(opened: sqlite3.Connection, folder: Path) -> Iterator[_Stray]:
    """All locations in other stores; ``folder`` is that of the database."""
    own = (folder / "artifacts").resolve()
    columns = "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c"
    known = set(opened.execute(columns))  # an earlier or later MLflow may lack some
    for table, column in (each for each in _COLUMNS if each in known):
        for (uri,) in opened.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall():
            before, marker, path = str(uri).rpartition(_FILES)
            place, path = Path(unquote(urlsplit(before + marker).path)), unquote(path)
            local = before.startswith("file:") and path[:1] in ("", "/") and ".." not in path
            if local and place.resolve() != own:
                yield _Stray(table=table, column=column, uri=str(uri), place=place, path=path.lstrip("/"))


def _bring(source: Path, target: Path) -> None:
    """Copy a folder unless it is there; half a copy does not count."""
    if source.is_dir() and not target.exists():
        partial = target.with_name(f"{target.name}.part")
        shutil.copytree(source, partial, dirs_exist_ok=True)
        partial.replace(target)


@contextmanager
def _reading(database: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise TrackingError(
            f"MLflow's database {database} cannot be used: {error}. If it is damaged, delete the folder "
            f"{database.parent} while nothing runs: the next `dymu run` of each study makes it again."
        ) from error
