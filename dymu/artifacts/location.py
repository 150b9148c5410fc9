"""Where a store is, as text that every process and every node understands."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dymu.artifacts.connect import SCHEMES, open_bucket
from dymu.artifacts.remote import ObjectStore, mirror_of
from dymu.artifacts.store import MARKER, Store
from dymu.errors import StoreError


def open_store(location: str | Path | None = None, *, read_only: bool = False) -> Store:
    """Open the store at a location.

    Args:
        location: A folder, ``file:///folder``, or ``s3://``, ``gs://`` or ``az://`` with bucket and prefix;
            ``None`` for ``$DYMU_STORE`` or ``.dymu`` in the working directory.
        read_only: Open a store that exists and change nothing.

    Raises:
        StoreError: If the location is of no known kind, or there is no store that can be used.
    """
    text = named(location)
    if (folder := _folder(text)) is not None:
        return Store(folder, read_only=read_only)
    bucket = open_bucket(text)
    return ObjectStore(bucket, mirror_of(bucket.location), read_only=read_only)


def find_store(location: str | Path | None = None) -> Store | None:
    """Open the store at a location for reading; ``None`` if there is none yet.

    Raises:
        StoreError: As :func:`open_store`, and if something else lies at the location.
    """
    text = named(location)
    if (folder := _folder(text)) is not None:
        empty = not folder.is_dir() or not any(folder.iterdir())
        return None if empty else Store(folder, read_only=True)
    bucket = open_bucket(text)
    if bucket.read(MARKER, quick=True) is None:
        return None
    return ObjectStore(bucket, mirror_of(bucket.location), read_only=True)


def named(location: str | Path | None) -> str:
    """The location that is meant: the given one, ``$DYMU_STORE``, or ``.dymu``."""
    return str(location) if location is not None else os.environ.get("DYMU_STORE") or ".dymu"


def _folder(text: str) -> Path | None:
    """The folder that a location names; ``None`` for one in object storage."""
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Path(text)
    if scheme == "file":
        return Path(unquote(urlsplit(text).path))
    if scheme in SCHEMES:
        return None
    raise StoreError(
        f"{text} is no place for a store; expected a folder or {', '.join(SCHEMES)}://bucket/prefix."
    )
