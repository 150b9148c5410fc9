"""One file from an HTTP server, known beforehand by size and SHA-256; goes on where it was cut off."""

import hashlib
import http.client
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Protocol

from dymu.data.official import Tell
from dymu.errors import DataError, SpecError

TIMEOUT_S = 30.0  # of silence
# Before attempts that follow one in which no byte was won; progress starts the list anew.
WAITS_S = (1.0, 3.0, 10.0)
_CHUNK = 1 << 16
# Answers that may be different in a moment; 416 is one because the range asked for is then dropped.
_PASSING = frozenset({408, 416, 425, 429, 500, 502, 503, 504})
_PASSING_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file as its publisher offers it.

    Attributes:
        name: Its name there.
        size: Bytes.
        sha256: Digest of the content.
    """

    name: str
    size: int
    sha256: str


class _BrokenError(Exception):
    """An attempt ended early; another one may go further."""


class _Answer(Protocol):
    """What is used of the answer of a server."""

    status: int
    headers: Message

    def read(self, amount: int, /) -> bytes:
        """Some more of the content; nothing at its end."""


def download(url: str, file: RemoteFile, part: Path, *, tell: Tell, waits: Sequence[float] = WAITS_S) -> None:
    """Bring the whole content to ``part``, of which a beginning may be there.

    What was received stays in ``part`` if the process or the connection ends, and the next call goes on
    after it. A beginning that turns out not to be of this file is dropped and everything taken once more.

    Args:
        url: Where the file is; http or https.
        file: What is expected.
        part: Where the content goes; one process at a time.
        tell: Told bytes that are there and bytes of the whole.
        waits: Seconds between attempts that win nothing.

    Raises:
        DataError: If the server does not have the file, has another one, or cannot be reached for long.
        SpecError: If the address is none of http or https.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise SpecError(f"{url!r} is no address of a file; expected http://... or https://...")
    began = _size(part)
    _insist(url, file, part, tell, waits)
    found = sha256_of(part)
    if found != file.sha256 and began > 0:
        part.unlink()
        _insist(url, file, part, tell, waits)
        found = sha256_of(part)
    if found != file.sha256:
        part.unlink()
        raise DataError(
            f"{url} delivered content with SHA-256 {found}, but {file.name} has {file.sha256}; nothing was "
            "kept. Something on the way replaced the file: try again, or name another source with --url."
        )


def sha256_of(path: Path) -> str:
    """Digest of a file's content."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _insist(url: str, file: RemoteFile, part: Path, tell: Tell, waits: Sequence[float]) -> None:
    most, pauses = _size(part), iter(waits)
    while True:
        try:
            _attempt(url, file, part, tell)
        except _BrokenError as broken:
            if (size := _size(part)) > most:
                most, pauses = size, iter(waits)
            wait = next(pauses, None)
            if wait is None:
                raise DataError(
                    f"{url} cannot be had: {broken}. {size} of {file.size} bytes are there; the same command "
                    "goes on after them."
                ) from broken
            time.sleep(wait)
        else:
            return


def _attempt(url: str, file: RemoteFile, part: Path, tell: Tell) -> None:
    have = _size(part)
    if have > file.size:
        part.unlink()
        have = 0
    tell(have, file.size)
    if have == file.size:
        return
    headers = {"User-Agent": "dymu", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S
        ) as answer:
            _receive(answer, url, file, part, tell)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code not in _PASSING:
            raise DataError(
                f"{url} answered {error.code} {error.reason}; name another source with --url."
            ) from error
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
        raise _BrokenError(f"it answered {error.code} {error.reason}") from error
    except _PASSING_ERRORS as error:
        raise _BrokenError(str(getattr(error, "reason", error)) or type(error).__name__) from error


def _receive(answer: _Answer, url: str, file: RemoteFile, part: Path, tell: Tell) -> None:
    have = _start(answer, url, file, part)
    with part.open("ab" if have else "wb") as out:
        while chunk := answer.read(_CHUNK):
            have += len(chunk)
            if have > file.size:
                raise _wrong(url, file, "more")
            out.write(chunk)
            tell(have, file.size)
    if have < file.size:
        raise _BrokenError(f"the connection ended after {have} of {file.size} bytes")


def _start(answer: _Answer, url: str, file: RemoteFile, part: Path) -> int:
    """Where the bytes of an answer begin; an answer that tells another size is refused before they come."""
    if answer.status != http.client.PARTIAL_CONTENT:
        length = answer.headers.get("Content-Length")
        if length is not None and length != str(file.size):
            raise _wrong(url, file, length)
        return 0
    have = _size(part)
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != have:
        part.unlink(missing_ok=True)
        raise _BrokenError("it answered another range than it was asked for")
    if found[2] not in ("*", str(file.size)):
        raise _wrong(url, file, found[2])
    return have


def _wrong(url: str, file: RemoteFile, size: str) -> DataError:
    return DataError(
        f"{url} offers {size} bytes, but {file.name} has {file.size}: it is another file, or a page about "
        "it; name another source with --url."
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
