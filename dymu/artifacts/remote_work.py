"""The work folder of a step in a bucket: a snapshot that changes as a whole, with one writer at a time.

``WORK.json`` lists the files of the snapshot; short texts stand in it, others are objects named by their
content. It is replaced only if it is still what this writer wrote last, so a process that was suspended and
taken over cannot mix its old files with those of its successor: the successor has put its name there first.
"""

import hashlib
import json
import re
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

from dymu.artifacts.bucket import Bucket, Version
from dymu.artifacts.files import disk_errors, write_whole
from dymu.errors import StoreError

WORK = "WORK.json"
_FORMAT = 1
_SMALL = 4096  # bytes of a text that stands in WORK.json itself
_TEXTS = {".json", ".jsonl", ".txt", ".csv"}
_TEMPORARY = re.compile(r"\..*|.*\.part|progress\.json\..*")
_TRIES = 5
_BYTES_A_SECOND = 50_000

Files = dict[str, dict[str, Any]]
"""File name to its sha256 and size, and its text if that is short; else an object is named by the sha256."""


@dataclass(kw_only=True)
class Snapshot:
    """What ``WORK.json`` said when it was read or written last.

    Attributes:
        version: Of the object; ``None`` if there was none.
        writer: Who wrote it.
        serial: How often that writer had written it.
        files: What the folder held.
    """

    version: Version | None = None
    writer: str = ""
    serial: int = 0
    files: Files = field(default_factory=dict)

    def dumps(self) -> bytes:
        """As JSON; the serial makes every one different, as some storages name versions by content."""
        form = {"format": _FORMAT, "writer": self.writer, "serial": self.serial, "files": self.files}
        return json.dumps(form, sort_keys=True, indent=1).encode()


class RemoteWork:
    """Sends and brings the work folder of one step; may be called from several threads.

    Args:
        bucket: The bucket.
        key: Of the work folder, without slash at its end.

    Attributes:
        superseded: Whether another process has taken over; nothing is sent any more.
    """

    def __init__(self, bucket: Bucket, key: str) -> None:
        self.superseded = False
        self._bucket = bucket
        self._key = key
        self._writer = uuid.uuid4().hex
        self._last: Snapshot | None = None  # what this process wrote
        self._pulled = False
        self._sent: dict[str, tuple[int, ...]] = {}  # file name to size and time when it was sent
        self._due: dict[str, float] = {}
        self._mutex = threading.Lock()

    def pull(self, folder: Path) -> None:
        """Make a local folder what the snapshot says, and become its writer.

        Raises:
            StoreError: If the bucket or the disk refuses, or a file is not what was sent.
        """
        with self._mutex:
            for _ in range(_TRIES):
                found = read_snapshot(self._bucket, self._key)
                if not self._bring(found, folder):
                    continue  # it was replaced meanwhile
                if self._put(found, found.files):
                    self._pulled, self.superseded = True, False
                    self._sent = {name: _signature(folder / name) for name in found.files}
                    return
        raise StoreError(
            f"{self._bucket.name(self._key)} is written by somebody else all the time; two processes work on "
            "one step. Stop one of them."
        )

    def push(self, folder: Path, *, texts_only: bool = False) -> None:
        """Send what has changed since the last call, as one snapshot; cheap if nothing has.

        Args:
            folder: Local work folder.
            texts_only: Leave out what is not text, and long texts that were sent not long ago.

        Raises:
            StoreError: If the bucket or the disk refuses; the snapshot before is then unchanged.
        """
        with self._mutex:
            if self.superseded:
                return
            last = self._last or read_snapshot(self._bucket, self._key)
            files = dict(last.files)
            names = _names(folder)
            # A checkpoint first: metrics that are read after it cannot lack what led to it.
            for name in sorted(names, key=lambda name: (_is_text(name), name)):
                if not texts_only or (_is_text(name) and time.monotonic() >= self._due.get(name, 0.0)):
                    self._send(folder / name, files)
            if self._pulled:
                for name in set(files) - set(names):
                    del files[name]
            if files != last.files:
                self._commit(last, files)

    def look(self, folder: Path, known: Version | None) -> Version | None:
        """Bring the texts of the snapshot into a local folder, for those who only read.

        Args:
            folder: Local folder, not that in which the step works.
            known: Version that the folder holds.

        Returns:
            Version that it holds now; ``None`` if there is no snapshot.
        """
        for _ in range(_TRIES):
            found = read_snapshot(self._bucket, self._key)
            texts = {name: file for name, file in found.files.items() if _is_text(name)}
            if found.version == known or self._bring(Snapshot(files=texts), folder):
                return found.version
        return known

    def clear(self) -> int:
        """Remove the snapshot and all objects of it; bytes freed."""
        with self._mutex:
            self._last, self._pulled, self._sent = None, False, {}
            self.superseded = True
            blobs = list(self._bucket.list(f"{self._key}/"))
            self._bucket.remove([f"{self._key}/{WORK}"])  # first: what it lists is about to go
            self._bucket.remove([blob.key for blob in blobs])
            return sum(blob.size for blob in blobs)

    def _send(self, path: Path, files: Files) -> None:
        with disk_errors(path, doing="read"):
            try:
                with path.open("rb") as file:
                    signature = _signature(path)
                    if signature != self._sent.get(path.name):
                        files[path.name] = (
                            self._sent_text(path, file, files)
                            if _is_text(path.name)
                            else (self._sent_file(file, files))
                        )
                        self._sent[path.name] = signature
            except FileNotFoundError:
                return  # removed or renamed just now

    def _sent_text(self, path: Path, file: BufferedReader, files: Files) -> dict[str, Any]:
        content = file.read()
        if path.suffix == ".jsonl":
            content = content[: content.rfind(b"\n") + 1]  # a line may be about to be written
        # A log of megabytes is sent every minute, not every three seconds.
        self._due[path.name] = time.monotonic() + len(content) / _BYTES_A_SECOND
        digest = hashlib.sha256(content).hexdigest()
        if len(content) <= _SMALL and (text := _decoded(content)) is not None:
            return {"sha256": digest, "size": len(content), "text": text}
        if digest not in _digests(files):
            self._bucket.write(f"{self._key}/{digest}", content)
        return {"sha256": digest, "size": len(content)}

    def _sent_file(self, file: BufferedReader, files: Files) -> dict[str, Any]:
        # Such a file is replaced, never changed: this handle goes on to see one content.
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
        file.seek(0)
        if digest not in _digests(files):
            self._bucket.write(f"{self._key}/{digest}", file)
        return {"sha256": digest, "size": size}

    def _commit(self, last: Snapshot, files: Files) -> None:
        if not self._put(last, files):
            self.superseded = True
            return
        self._bucket.remove([f"{self._key}/{digest}" for digest in _digests(last.files) - _digests(files)])

    def _put(self, last: Snapshot, files: Files) -> bool:
        """Replace the snapshot if it is still the given one."""
        wanted = Snapshot(writer=self._writer, serial=last.serial + 1, files=files)
        key = f"{self._key}/{WORK}"
        if last.version is None:
            wanted.version = self._bucket.create(key, wanted.dumps())
        else:
            wanted.version = self._bucket.replace(key, wanted.dumps(), last.version)
        if wanted.version is None:
            # Refused; or it arrived, the answer was lost and the client has tried again.
            found = read_snapshot(self._bucket, self._key)
            if (found.writer, found.serial) != (wanted.writer, wanted.serial):
                return False
            wanted = found
        self._last = wanted
        return True

    def _bring(self, snapshot: Snapshot, folder: Path) -> bool:
        """Make a folder what a snapshot says; false if a file of it is gone."""
        with disk_errors(folder, doing="write"):
            folder.mkdir(parents=True, exist_ok=True)
            for name, file in snapshot.files.items():
                path = folder / name
                if "text" in file:
                    write_whole(path, file["text"], flush=False)
                elif not _holds(path, file):
                    found = self._bucket.download(f"{self._key}/{file['sha256']}", path)
                    if found is None:
                        return False
                    if found != file["sha256"]:
                        path.unlink()
                        raise StoreError(
                            f"{self._bucket.name(self._key)}/{file['sha256']} has SHA-256 {found}, but "
                            f"{file['sha256']} was sent. Remove {self._bucket.name(self._key)} to start this "
                            "step from its beginning."
                        )
            for name in set(_names(folder)) - set(snapshot.files):
                (folder / name).unlink(missing_ok=True)
        return True


def read_snapshot(bucket: Bucket, key: str) -> Snapshot:
    """The snapshot of a work folder; an empty one if there is none.

    Raises:
        StoreError: If it cannot be read, or a newer dymu wrote it.
    """
    found = bucket.read(f"{key}/{WORK}")
    if found is None:
        return Snapshot()
    where = bucket.name(f"{key}/{WORK}")
    try:
        form = json.loads(found[0])
        if form["format"] == _FORMAT:
            files = {Path(name).name: file for name, file in form["files"].items()}
            return Snapshot(version=found[1], writer=form["writer"], serial=form["serial"], files=files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{where} is damaged ({error!r}). Remove it to start that step anew.") from error
    raise StoreError(f"{where} has format {form['format']}; this dymu reads format {_FORMAT}.")


def _digests(files: Files) -> set[str]:
    """Names of the objects of a snapshot."""
    return {file["sha256"] for file in files.values() if "text" not in file}


def _decoded(content: bytes) -> str | None:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _holds(path: Path, file: Mapping[str, Any]) -> bool:
    if not path.is_file() or path.stat().st_size != file["size"]:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == file["sha256"]


def _signature(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _names(folder: Path) -> list[str]:
    with disk_errors(folder, doing="read"):
        if not folder.is_dir():
            return []
        return [p.name for p in folder.iterdir() if _TEMPORARY.fullmatch(p.name) is None and p.is_file()]


def _is_text(name: str) -> bool:
    return Path(name).suffix in _TEXTS
