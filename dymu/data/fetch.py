"""Official archives, downloaded and unpacked below the data root: whole or absent.

Nothing that is there is changed. No path of an archive reaches the file system: members are looked up by the
names that the recipe expects, copied as plain content and compared with their checksums.
"""

import contextlib
import gzip
import hashlib
import shutil
import tarfile
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from dymu.data.download import RemoteFile, download, sha256_of
from dymu.data.official import Tell
from dymu.errors import DataError, SpecError

_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file of a data set.

    Attributes:
        name: Its name in the folder of the data set.
        inside: Its name in a tar archive; empty for the content of a plain ``.gz``.
        size: Bytes.
        sha256: Digest of the content.
    """

    name: str
    inside: str = ""
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A ``.tar.gz`` or ``.gz`` and what is taken out of it.

    Attributes:
        remote: Where it is, its size and checksum.
        members: Files that are taken out.
    """

    remote: RemoteFile
    members: tuple[Member, ...]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a data set is obtained.

    Attributes:
        folder: Its folder below the data root.
        source: Address of the folder in which the publisher has the archives; ends in ``/``.
        archives: What to take from there.
    """

    folder: str
    source: str
    archives: tuple[Archive, ...]

    @property
    def members(self) -> tuple[Member, ...]:
        """All files of the data set."""
        return tuple(member for archive in self.archives for member in archive.members)


def fetch(recipe: Recipe, root: Path, *, url: str | None, tell: Tell) -> bool:
    """Download and unpack a data set, unless it is there.

    Args:
        recipe: What to get.
        root: The data root; made if it does not exist.
        url: Another source: a folder, ending in ``/``, or the archive if there is only one.
        tell: Told bytes downloaded and bytes of all archives.

    Returns:
        Whether anything was fetched; false if the data set was there.

    Raises:
        DataError: If the data cannot be had or written, or the folder is there with other content.
        SpecError: If the address of another source does not fit.
    """
    addresses = [_address(recipe, archive, url) for archive in recipe.archives]
    folder = root / recipe.folder
    try:
        if _is_there(recipe, folder):
            return False
        root.mkdir(parents=True, exist_ok=True)
        with _alone(root, recipe):
            if _is_there(recipe, folder):  # another process was faster
                return False
            _require_space(recipe, root)
            _get(recipe, root, addresses, tell)
    except OSError as error:
        raise DataError(
            f"{recipe.folder} cannot be written below {root} ({error}); free space there, or name a folder "
            "that can be written."
        ) from error
    return True


def _get(recipe: Recipe, root: Path, addresses: list[str], tell: Tell) -> None:
    total = sum(archive.remote.size for archive in recipe.archives)
    parts, before = [_part(root, archive) for archive in recipe.archives], 0
    for archive, address, part in zip(recipe.archives, addresses, parts, strict=True):
        download(address, archive.remote, part, tell=_shifted(tell, before, total))
        before += archive.remote.size
    with _scratch(root, recipe) as scratch:
        for archive, part in zip(recipe.archives, parts, strict=True):
            _unpack(archive, part, scratch)
        scratch.rename(root / recipe.folder)
    for part in parts:
        part.unlink()


def _part(root: Path, archive: Archive) -> Path:
    return root / f".{archive.remote.name}.part"


def _shifted(tell: Tell, before: int, total: int) -> Tell:
    return lambda done, _: tell(before + done, total)


def _address(recipe: Recipe, archive: Archive, url: str | None) -> str:
    source = recipe.source if url is None else url
    if source.endswith("/"):
        return source + archive.remote.name
    if len(recipe.archives) > 1:
        names = ", ".join(archive.remote.name for archive in recipe.archives)
        raise SpecError(f"--url is {url!r}; expected a folder, ending in '/', that holds {names}.")
    return source


def _is_there(recipe: Recipe, folder: Path) -> bool:
    if not folder.exists():
        return False
    wrong = [
        member.name
        for member in recipe.members
        if not (folder / member.name).is_file()
        or (folder / member.name).stat().st_size != member.size
        or sha256_of(folder / member.name) != member.sha256
    ]
    if wrong:
        raise DataError(
            f"{folder} is there, but {', '.join(wrong)} in it are missing or not the official files; it is "
            "left as it is. Move the folder away and fetch again."
        )
    return True


@contextlib.contextmanager
def _alone(root: Path, recipe: Recipe) -> Iterator[None]:
    lock = FileLock(root / f".{recipe.folder}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DataError(f"another process is fetching {recipe.folder} to {root}; wait for it.") from None
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


@contextlib.contextmanager
def _scratch(root: Path, recipe: Recipe) -> Iterator[Path]:
    stem = f".{recipe.folder}.unpacking-"
    for stale in root.glob(f"{stem}*"):  # of a process that was killed: this one holds the lock
        shutil.rmtree(stale)
    scratch = root / f"{stem}{uuid.uuid4().hex}"
    scratch.mkdir()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _require_space(recipe: Recipe, root: Path) -> None:
    parts = [_part(root, archive) for archive in recipe.archives]
    have = sum(part.stat().st_size for part in parts if part.exists())
    need = sum(archive.remote.size for archive in recipe.archives) - have
    need += sum(member.size for member in recipe.members)
    free = shutil.disk_usage(root).free
    if free < need:
        raise DataError(f"{recipe.folder} takes {need} bytes while it is unpacked, {root} has {free} free.")


def _unpack(archive: Archive, part: Path, folder: Path) -> None:
    name = archive.remote.name
    try:
        if name.endswith(".tar.gz"):
            with tarfile.open(part, "r:gz") as tar:
                for member in archive.members:
                    # Links are not followed: only a regular file of the expected size is opened.
                    info = tar.getmember(member.inside)
                    content = tar.extractfile(info) if info.isreg() and info.size == member.size else None
                    if content is None:
                        raise _unexpected(archive, member, "is no file of the expected size")
                    with content:
                        _copy(content, archive, member, folder)
        else:
            (member,) = archive.members
            with gzip.open(part) as plain:
                _copy(plain, archive, member, folder)
    except (tarfile.TarError, KeyError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{name} cannot be unpacked ({error}); delete {part} and fetch again.") from error


def _copy(content: IO[bytes] | gzip.GzipFile, archive: Archive, member: Member, folder: Path) -> None:
    state, size = hashlib.sha256(), 0
    with (folder / member.name).open("xb") as out:
        while chunk := content.read(_CHUNK):
            size += len(chunk)
            if size > member.size:
                raise _unexpected(archive, member, f"has more than {member.size} bytes")
            state.update(chunk)
            out.write(chunk)
    if state.hexdigest() != member.sha256:
        raise _unexpected(archive, member, f"has SHA-256 {state.hexdigest()}, not {member.sha256}")


def _unexpected(archive: Archive, member: Member, problem: str) -> DataError:
    return DataError(f"{member.name} in {archive.remote.name} {problem}; nothing was unpacked.")
