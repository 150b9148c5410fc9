"""Published artifacts in a bucket: complete or absent, first to publish wins, mirrored in a local folder.

``DONE.json`` is written last and only if there is none. An empty one says that an artifact was removed:
storages have no conditional removal, and an unconditional one could hit what was published meanwhile.
"""

import json
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dymu.artifacts.bucket import Bucket, Version
from dymu.artifacts.damage import REASON, attempt_of, reason_text
from dymu.artifacts.done import DONE, REPAIR, dumps_done, loads_done
from dymu.artifacts.files import disk_errors, remove_path
from dymu.artifacts.index import TRUST_S, Index, Listing
from dymu.errors import CorruptArtifactError, StoreError

_PAGE = 1000  # keys in one answer to a listing
_TRIES = 20


class RemoteArtifacts:
    """The artifacts of one store.

    Args:
        bucket: The bucket.
        mirror: Local folder; below it ``artifacts/<stage>/<digest>/<attempt>/`` holds what was brought.

    Attributes:
        index: Which addresses are published.
    """

    def __init__(self, bucket: Bucket, mirror: Path) -> None:
        self.index = Index(self._ask, self._list_stage)
        self._bucket = bucket
        self._mirror = mirror
        self._dones: dict[str, tuple[float, bytes]] = {}  # when it was read, and what it said

    # --- reading ---------------------------------------------------------------------------------------

    def doubt(self, address: str) -> None:
        """Ask the bucket itself for what is wanted next of this address."""
        self.index.doubt(address)
        self._dones.pop(address, None)

    def done(self, address: str) -> dict[str, Any]:
        """Content of ``DONE.json``, as of at most half a minute ago.

        Raises:
            StoreError: If there is no artifact, or a newer dymu wrote it.
            CorruptArtifactError: If it cannot be understood.
        """
        read_at, content = self._dones.get(address, (float("-inf"), b""))
        if time.monotonic() - read_at >= TRUST_S:
            found = self._bucket.read(_done_key(address))
            if found is None or not found[0]:
                self.doubt(address)
                raise StoreError(
                    f"{self._bucket.location} has no artifact {address}. Run the study that needs it."
                )
            content = found[0]
            self._dones[address] = (time.monotonic(), content)
        return loads_done(content, where=self._bucket.name(_done_key(address)), address=address)

    def path(self, address: str) -> Path:
        """Local folder of an artifact; files that are not here in their size are brought.

        Raises:
            StoreError: If there is no artifact.
            CorruptArtifactError: If a file that has to be brought is missing or damaged; names it.
        """
        done = self.done(address)
        for name, file in done["files"].items():
            path = self._attempt(address, done) / name
            with disk_errors(path, doing="read"):
                here = path.is_file() and path.stat().st_size == file["size"]
            if not here:
                self._bring(address, done, name)
        return self._attempt(address, done)

    def verify(self, address: str) -> None:
        """Bring every file from the bucket and compare it with its SHA-256; the mirror is then right, too.

        Raises:
            StoreError: If there is no artifact.
            CorruptArtifactError: Names the file, what was expected and what was found.
        """
        self.doubt(address)
        done = self.done(address)
        for name in done["files"]:
            self._bring(address, done, name)

    def read(self, address: str, name: str) -> bytes:
        """One file of an artifact."""
        done = self.done(address)
        path = self._attempt(address, done) / name
        with disk_errors(path, doing="read"):
            if not path.is_file():
                self._bring(address, done, name)
            return path.read_bytes()

    def size(self, address: str) -> int:
        """Bytes of an artifact, and of what lies beside it."""
        known = self.index.size(address)
        if known is None:
            return sum(blob.size for blob in self._bucket.list(f"artifacts/{address}/"))
        return known

    def unpublished(self, address: str) -> dict[str, int]:
        """Attempts beside the published one: name to bytes."""
        content = self._bucket.read(_done_key(address))
        published = {DONE, attempt_of(content[0]) if content else ""}
        found: dict[str, int] = {}
        for blob in self._bucket.list(f"artifacts/{address}/"):
            name = blob.key.split("/")[3]
            if name not in published:
                found[name] = found.get(name, 0) + blob.size
        return found

    # --- publishing and removing -----------------------------------------------------------------------

    def publish(self, address: str, attempt: Path, *, info: Mapping[str, Any]) -> None:
        """Upload the files of an attempt, see that they arrived, then write ``DONE.json`` if there is none.

        Raises:
            OSError: From the local disk.
            StoreError: If the bucket refuses, or the attempt is empty or not made of plain files.
        """
        prefix = f"artifacts/{address}/{attempt.name}/"
        done = dumps_done(attempt, info=info)
        sizes = {name: file["size"] for name, file in json.loads(done)["files"].items()}
        for name in sizes:
            self._bucket.write(prefix + name, attempt / name)
        arrived = {blob.key.removeprefix(prefix): blob.size for blob in self._bucket.list(prefix)}
        if arrived != sizes:
            wrong = sorted(name for name in {*arrived, *sizes} if arrived.get(name) != sizes.get(name))
            raise StoreError(
                f"{self._bucket.name(prefix)} holds other files than were sent ({', '.join(wrong)}); nothing "
                "was published. Run the same command again."
            )
        self._commit(_done_key(address), done.encode())
        self.doubt(address)

    def discard(self, address: str, attempt: Path) -> None:
        """Remove an attempt from the bucket and the mirror unless it is the published one.

        Raises:
            OSError: From the local disk.
            StoreError: If the bucket refuses.
        """
        found = self._bucket.read(_done_key(address))
        if found is None or attempt_of(found[0]) != attempt.name:
            remove_path(attempt)
            self._bucket.remove([b.key for b in self._bucket.list(f"artifacts/{address}/{attempt.name}/")])

    def drop(self, address: str, name: str | None) -> int:
        """Remove the artifact, or one attempt that is not published; bytes freed in the bucket."""
        freed = 0
        if name is None:
            found = self._bucket.read(_done_key(address))
            if found is None or not found[0] or not self._withdraw(address, found[1]):
                return 0
            name, freed = attempt_of(found[0]), len(found[0])
        if not name:  # the artifact's DONE.json could not be read: its files are unpublished attempts now
            return freed + sum(self.drop(address, other) for other in self.unpublished(address))
        blobs = list(self._bucket.list(f"artifacts/{address}/{name}/"))
        self._bucket.remove([blob.key for blob in blobs])
        with disk_errors(self._mirror, doing="remove"):
            remove_path(self._mirror / "artifacts" / address / name)
        return freed + sum(blob.size for blob in blobs)

    def set_aside(self, address: str, reason: str) -> str | None:
        """Move an artifact to ``damaged/`` within the bucket, unless its files match their checksums.

        Returns:
            Prefix of its new place; ``None`` if it stays, or if there is none.
        """
        found = self._bucket.read(_done_key(address))
        if found is None or not found[0] or self._is_sound(address):
            return None
        # Copied first: what a crash leaves behind is a copy too many.
        aside, attempt = f"damaged/{address}-{uuid.uuid4().hex}", attempt_of(found[0])
        blobs = list(self._bucket.list(f"artifacts/{address}/{attempt}/")) if attempt else []
        copies = [blob.key.replace(f"artifacts/{address}", aside, 1) for blob in blobs]
        for blob, copied in zip(blobs, copies, strict=True):
            self._bucket.copy(blob.key, copied)
        self._bucket.write(f"{aside}/{DONE}", found[0])
        self._bucket.write(f"{aside}/{REASON}", reason_text(reason).encode())
        if not self._withdraw(address, found[1]):  # somebody was faster
            self._bucket.remove([*copies, f"{aside}/{DONE}", f"{aside}/{REASON}"])
            return None
        self._bucket.remove([blob.key for blob in blobs])
        with disk_errors(self._mirror, doing="remove"):
            if attempt:
                remove_path(self._mirror / "artifacts" / address / attempt)
        return aside

    # --- inside ----------------------------------------------------------------------------------------

    def _attempt(self, address: str, done: Mapping[str, Any]) -> Path:
        return self._mirror / "artifacts" / address / Path(str(done["attempt"])).name

    def _bring(self, address: str, done: Mapping[str, Any], name: str) -> None:
        """Download one file of an artifact and compare it with its checksum."""
        key = f"artifacts/{address}/{done['attempt']}/{name}"
        path = self._attempt(address, done) / name
        where, expected = self._bucket.name(key), done["files"][name]
        found = self._bucket.download(key, path)
        if found is None:
            raise CorruptArtifactError(f"artifact {address}: the file {where} is missing. {REPAIR}")
        if found != expected["sha256"]:
            size = path.stat().st_size
            path.unlink()
            raise CorruptArtifactError(
                f"artifact {address}: the file {where} has {size} bytes and SHA-256 {found}, but "
                f"{expected['size']} bytes with {expected['sha256']} were written. {REPAIR}"
            )

    def _is_sound(self, address: str) -> bool:
        try:
            self.verify(address)
        except CorruptArtifactError:
            return False
        return True

    def _commit(self, key: str, done: bytes) -> None:
        """Write ``DONE.json`` unless there is one that says something."""
        for _ in range(_TRIES):
            found = self._bucket.read(key)
            if found is None:
                saved = self._bucket.create(key, done)
            elif found[0]:
                return
            else:
                saved = self._bucket.replace(key, done, found[1])
            if saved is not None:
                return
        raise StoreError(f"{self._bucket.name(key)} is changed by others all the time; try again.")

    def _withdraw(self, address: str, version: Version) -> bool:
        """Make a ``DONE.json`` empty if it is still the one that was read."""
        replaced = self._bucket.replace(_done_key(address), b"", version)
        self.doubt(address)
        return replaced is not None

    def _ask(self, address: str) -> bool:
        return bool(self._bucket.size(_done_key(address)))

    def _list_stage(self, stage: str) -> tuple[Listing, int]:
        sizes: dict[str, int] = {}
        published, count = set(), 0
        for blob in self._bucket.list(f"artifacts/{stage}/"):
            count += 1
            parts = blob.key.split("/")
            address = "/".join(parts[1:3])
            sizes[address] = sizes.get(address, 0) + blob.size
            if parts[3:] == [DONE] and blob.size:
                published.add(address)
        return {address: sizes[address] for address in published}, count // _PAGE + 1


def _done_key(address: str) -> str:
    return f"artifacts/{address}/{DONE}"
