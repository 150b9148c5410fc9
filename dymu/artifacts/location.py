"""Where a store is, as text that every process and every node understands."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dymu.artifacts.connect import SCHEMES, open_bucket
from dymu.artifacts.remote import ObjectStore, mirror_of
from dymu.artifacts.store import Store
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
    text = str(location) if location is not None else os.environ.get("DYMU_STORE") or ".dymu"
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Store(Path(text), read_only=read_only)
    if scheme == "file":
        return Store(Path(unquote(urlsplit(text).path)), read_only=read_only)
    if scheme in SCHEMES:
        bucket = open_bucket(text)
        return ObjectStore(bucket, mirror_of(bucket.location), read_only=read_only)
    raise StoreError(
        f"{text} is no place for a store; expected a folder or {', '.join(SCHEMES)}://bucket/prefix."
    )
