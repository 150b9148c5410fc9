"""Objects below a prefix in a bucket: read, written, and replaced only if nobody else was faster."""

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore

from dymu.artifacts.files import disk_errors
from dymu.errors import StoreError

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion

_CHUNK = 8 * 1024**2
_LONGEST = 300
_METADATA_HOSTS = ("169.254.169.254", "metadata.google.internal", "metadata/identity")
_CREDENTIALS = {
    "s3": "Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION",
    "gs": "Set GOOGLE_SERVICE_ACCOUNT to the file of a key, or GOOGLE_APPLICATION_CREDENTIALS",
    "az": "Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


@dataclass(frozen=True, kw_only=True)
class Version:
    """What the storage calls one content of an object.

    Attributes:
        e_tag: Its digest of the content, if it has one.
        version: Its number of the version, if it keeps any.
    """

    e_tag: str | None
    version: str | None

    def condition(self) -> "UpdateVersion":
        """The condition that an object still has this content."""
        found: UpdateVersion = {}
        if self.e_tag is not None:
            found["e_tag"] = self.e_tag
        if self.version is not None:
            found["version"] = self.version
        return found


@dataclass(frozen=True, kw_only=True)
class Blob:
    """One object of a listing.

    Attributes:
        key: Below the bucket's prefix.
        size: Bytes.
    """

    key: str
    size: int


class Bucket:
    """Objects by key, below a prefix.

    Errors of the storage become :class:`~dymu.errors.StoreError`; that an object is absent, or is not what it
    was, is a result and no error.

    Args:
        patient: Retries for up to three minutes.
        quick: The same storage, giving up after ten seconds.
        location: As the user wrote it, for messages.
        prefix: Before every key; empty or without slash at its ends.
    """

    def __init__(self, patient: ObjectStore, *, quick: ObjectStore, location: str, prefix: str = "") -> None:
        self.location = location
        self._patient = patient
        self._quick = quick
        self._prefix = f"{prefix}/" if prefix else ""

    def read(self, key: str, *, quick: bool = False) -> tuple[bytes, Version] | None:
        """Content and version of an object; ``None`` if there is none."""
        with self._told("read", key):
            try:
                found = obstore.get(self._client(quick=quick), self._prefix + key)
                meta = found.meta
                return bytes(found.bytes()), Version(e_tag=meta["e_tag"], version=meta["version"])
            except FileNotFoundError as error:
                self._refuse_missing_bucket(error)
                return None

    def size(self, key: str) -> int | None:
        """Bytes of an object; ``None`` if there is none."""
        with self._told("read", key):
            try:
                return obstore.head(self._patient, self._prefix + key)["size"]
            except FileNotFoundError as error:
                self._refuse_missing_bucket(error)
                return None

    def write(self, key: str, content: bytes | Path | IO[bytes]) -> None:
        """Write an object, or replace it."""
        with self._told("write", key):
            obstore.put(self._patient, self._prefix + key, content)

    def create(self, key: str, content: bytes, *, quick: bool = False) -> Version | None:
        """Write an object that does not exist; ``None`` if it does."""
        return self._put(key, content, "create", quick=quick)

    def replace(self, key: str, content: bytes, old: Version, *, quick: bool = False) -> Version | None:
        """Replace an object that is still the given version; ``None`` if it is not, or is gone."""
        return self._put(key, content, old.condition(), quick=quick)

    def prove_conditions(self) -> None:
        """See that conditional writes are conditional here; some servers ignore what they do not know.

        Raises:
            StoreError: If a write was accepted that should not have been.
        """
        key = f"flags/probe/{uuid.uuid4().hex}"
        first = self.create(key, b"first", quick=True)
        second = None if first is None else self.replace(key, b"second", first, quick=True)
        try:
            if first is None or second is None:
                raise StoreError(f"{self.location} refuses conditional writes, which a store needs.")
            if self.create(key, b"again", quick=True) or self.replace(key, b"again", first, quick=True):
                raise StoreError(
                    f"{self.location} ignores the conditions of writes (If-None-Match, If-Match), without "
                    "which results could be lost. Use storage that honours them."
                )
        finally:
            self.remove([key])

    def download(self, key: str, path: Path) -> str | None:
        """Bring an object into a file, whole or not at all.

        Returns:
            Its SHA-256 in hexadecimal; ``None`` if there is no such object.
        """
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        digest = hashlib.sha256()
        with self._told("read", key), disk_errors(path, doing="write"):
            try:
                stream = obstore.get(self._patient, self._prefix + key).stream(min_chunk_size=_CHUNK)
            except FileNotFoundError as error:
                self._refuse_missing_bucket(error)
                return None
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with partial.open("wb") as file:
                    for chunk in stream:
                        digest.update(chunk)
                        file.write(chunk)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
        return digest.hexdigest()

    def list(self, prefix: str) -> Iterator[Blob]:
        """All objects whose key begins with a prefix that ends in a slash, by key; a request per thousand."""
        with self._told("list", prefix):
            try:
                for chunk in obstore.list(self._patient, prefix=self._prefix + prefix):
                    for meta in chunk:
                        yield Blob(key=meta["path"].removeprefix(self._prefix), size=meta["size"])
            except FileNotFoundError as error:
                self._refuse_missing_bucket(error)

    def copy(self, source: str, target: str) -> bool:
        """Copy an object within the bucket; false if there is none."""
        with self._told("copy", source):
            try:
                obstore.copy(self._patient, self._prefix + source, self._prefix + target)
            except FileNotFoundError:
                return False
        return True

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects; those that do not exist are no error."""
        listed = [self._prefix + key for key in keys]
        if listed:
            with self._told("remove", listed[0].removeprefix(self._prefix)):
                try:
                    obstore.delete(self._patient, listed)
                except FileNotFoundError as error:
                    self._refuse_missing_bucket(error)

    def name(self, key: str) -> str:
        """An object's name for people."""
        return f"{self.location}/{key}"

    def _put(self, key: str, content: bytes, mode: "PutMode", *, quick: bool) -> Version | None:
        with self._told("write", key):
            try:
                put = obstore.put(self._client(quick=quick), self._prefix + key, content, mode=mode)
            except (AlreadyExistsError, PreconditionError):
                return None
            except FileNotFoundError as error:
                self._refuse_missing_bucket(error)
                return None
        return Version(e_tag=put["e_tag"], version=put["version"])

    def _client(self, *, quick: bool) -> ObjectStore:
        return self._quick if quick else self._patient

    def _refuse_missing_bucket(self, error: FileNotFoundError) -> None:
        # A missing object and a missing bucket are one status code.
        if "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error):
            raise StoreError(f"{self.location}: there is no such bucket. Make it first.") from error

    @contextmanager
    def _told(self, doing: str, key: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            raise StoreError(f"cannot {doing} {self.name(key)}: {reason_of(error, self.location)}") from error


def reason_of(error: Exception, location: str) -> str:
    """What a storage error says, in one line, and what to do about it."""
    text = str(error).partition("\n\nDebug source")[0].strip()
    advice = _CREDENTIALS.get(location.partition("://")[0], "Set the credentials in the environment")
    if any(host in text for host in _METADATA_HOSTS):
        return f"there are no credentials. {advice}."
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)):
        return f"the storage refuses these credentials: {_shortened(text)}. {advice}."
    return f"{_shortened(text)}. Finished steps are kept; the same command goes on from there."


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"
