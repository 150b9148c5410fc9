"""The store: published artifacts by address, work in progress, leases and manifests, below one folder.

::

    store.json
    artifacts/<stage>/<digest>/DONE.json          lists the files of one attempt; appears last, at once
    artifacts/<stage>/<digest>/att-<uuid>/...     those files; an attempt that DONE.json does not name is none
    work/<stage>/<digest>/...                     checkpoint, metrics and progress of a step that runs
    leases/<stage>/<digest>.json                  who works on it
    damaged/<stage>/<digest>-<uuid>/...           what was found damaged and set aside
    manifests/<name>.json                         what a study expects of the store
    flags/<kind>/<name>                           what all processes are to know, for instance to stop
    data/  mlflow/                                kept by others

Nothing here is ever unpickled, and nothing that was published is ever changed.
"""

import json
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dymu.artifacts.damage import damaged_attempt, move_aside
from dymu.artifacts.done import DONE, check_contents, check_sizes, commit, partial_name, read_done
from dymu.artifacts.files import disk_errors, folders_in, remove_path, size_of, write_whole
from dymu.artifacts.flag import FileFlag, Flag
from dymu.artifacts.holder import Holder, loads_holder
from dymu.artifacts.lease import Lease, holders
from dymu.artifacts.manifest import Manifest, manifest_names, read_manifest, save_manifest
from dymu.artifacts.register import FileRegister, Register
from dymu.errors import SpecError, StoreError

STORE_FORMAT = 1
STEP = "step.json"
MARKER = "store.json"
ADDRESS = re.compile(r"[A-Za-z0-9_-]+/[A-Za-z0-9_-]+")
_FLAG = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")


def check_format(marker: bytes, where: str) -> None:
    """Refuse a store of a format that this dymu does not know.

    Raises:
        StoreError: Names both formats.
    """
    try:
        written = json.loads(marker)["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{where}/{MARKER} cannot be read ({error!r}); expected {{'format': {STORE_FORMAT}}}."
        ) from error
    if written != STORE_FORMAT:
        raise StoreError(
            f"the store {where} has format {written}; this dymu knows format {STORE_FORMAT}. "
            "Install the dymu that wrote it, or choose a folder with --store or DYMU_STORE. "
            "Nothing was changed."
        )


def flag_name(name: str) -> str:
    """The name of a flag.

    Raises:
        SpecError: If it is not one or more words separated by slashes.
    """
    if _FLAG.fullmatch(name) is None:
        raise SpecError(
            f"{name!r} does not name a flag; expected words separated by slashes, as in stop/4711."
        )
    return name


class Store:
    """Artifacts by address. Holds no state but its folder, so it can travel to another process.

    Args:
        root: Folder of the store; made if it does not exist.
        read_only: Open a store that exists and change nothing.

    Raises:
        StoreError: If the store was written by a newer dymu, cannot be written, or (``read_only``) is none.
    """

    def __init__(self, root: Path, *, read_only: bool = False) -> None:
        self.root = root.absolute()
        self.read_only = read_only
        marker = self.root / MARKER
        with disk_errors(self.root, doing="open the store"):
            exists = marker.exists()
        if exists:
            with disk_errors(marker, doing="read"):
                check_format(marker.read_bytes(), str(self.root))
        elif read_only:
            raise StoreError(
                f"{self.root} is not a store. Run a study first, or name one with --store or DYMU_STORE."
            )
        else:
            with disk_errors(self.root, doing="create the store"):
                self.root.mkdir(parents=True, exist_ok=True)
                write_whole(marker, json.dumps({"format": STORE_FORMAT}) + "\n")
        if not read_only and not os.access(self.root, os.W_OK | os.X_OK):
            raise StoreError(
                f"the store {self.root} cannot be written. Choose a folder with --store or DYMU_STORE."
            )

    @property
    def location(self) -> str:
        """Text by which :func:`~dymu.artifacts.location.open_store` finds this store elsewhere."""
        return str(self.root)

    @property
    def data_cache(self) -> Path:
        """Folder for generated or decoded data."""
        return self.root / "data"

    @property
    def mlflow_dir(self) -> Path:
        """Folder of the embedded tracking database."""
        return self.root / "mlflow"

    # --- reading ---------------------------------------------------------------------------------------

    def folder(self, address: str) -> Path:
        """Where attempts of an address lie, whether or not there are any.

        Raises:
            SpecError: If the text is not an address.
        """
        return self._place("artifacts", address)

    def has(self, address: str) -> bool:
        """Whether an artifact was published."""
        path = self.folder(address) / DONE
        with disk_errors(path, doing="read"):
            return path.exists()

    def done(self, address: str) -> dict[str, Any]:
        """Content of ``DONE.json``: ``format``, ``attempt``, ``files`` (name to sha256, size) and ``info``.

        Raises:
            StoreError: If there is no artifact, or a newer dymu wrote it.
            CorruptArtifactError: If ``DONE.json`` cannot be understood.
        """
        self._must_have(address)
        return read_done(self.folder(address), address=address)

    def path(self, address: str) -> Path:
        """Folder of a published artifact; its files exist and have their sizes.

        Raises:
            StoreError: If there is no artifact.
            CorruptArtifactError: If a file is missing or has another size; names the file.
        """
        done = self.done(address)
        attempt = self.folder(address) / str(done["attempt"])
        check_sizes(attempt, done, address=address)
        return attempt

    def verify(self, address: str) -> None:
        """Compare every file of an artifact with its SHA-256.

        Raises:
            StoreError: If there is no artifact.
            CorruptArtifactError: Names the file, what was expected and what was found.
        """
        check_contents(self.path(address), self.done(address), address=address)

    def read(self, address: str, name: str) -> bytes:
        """One file of a published artifact, which may be damaged elsewhere.

        Raises:
            StoreError: If there is no artifact, or the file cannot be read.
        """
        path = self.folder(address) / str(self.done(address)["attempt"]) / name
        with disk_errors(path, doing="read"):
            return path.read_bytes()

    def addresses(self, stage: str | None = None) -> Iterator[str]:
        """Addresses of all published artifacts, sorted by stage and digest."""
        return (address for address in self._folders("artifacts", stage) if self.has(address))

    def started(self) -> Iterator[str]:
        """Addresses with a folder for attempts, published or not."""
        return self._folders("artifacts", None)

    def unpublished(self, address: str) -> dict[str, int]:
        """What lies beside the published attempt of an address, left by others or a crash: name to bytes."""
        folder = self.folder(address)
        published = {DONE, self.done(address)["attempt"]} if self.has(address) else set()
        with disk_errors(folder, doing="read"):
            left = sorted(path for path in folder.glob("*") if path.name not in published)
            return {path.name: size_of(path) for path in left}

    def works(self) -> Iterator[str]:
        """Addresses with a work folder."""
        return self._folders("work", None)

    def work_size(self, address: str) -> int | None:
        """Bytes of the work folder of a step; ``None`` if there is none."""
        work = self._place("work", address)
        with disk_errors(work, doing="read"):
            return size_of(work) if work.exists() else None

    def where(self, part: str, address: str, name: str = "") -> str:
        """A folder or file of the store for people; ``part`` is ``artifacts``, ``work`` or ``damaged``."""
        return str(self._place(part, address) / name)

    def size(self, address: str) -> int:
        """Bytes that a published artifact takes, damaged or not: those that :meth:`remove` frees.

        Raises:
            StoreError: If there is no artifact.
        """
        self._must_have(address)
        with disk_errors(self.folder(address), doing="read"):
            return size_of(self.folder(address))

    # --- publishing ------------------------------------------------------------------------------------

    def new_attempt(self, address: str) -> Path:
        """An empty folder for the files of one attempt at a step."""
        self._must_write(f"make {address}")
        attempt = self.folder(address) / f"att-{uuid.uuid4().hex}"
        with disk_errors(attempt, doing="create"):
            attempt.mkdir(parents=True)
        return attempt

    def publish(self, address: str, attempt: Path, *, info: Mapping[str, Any]) -> Path:
        """Make the files of an attempt the artifact of an address, unless it has one.

        Files are checksummed and flushed; then ``DONE.json`` appears, whole, with a link that fails if it
        exists. So of several publishers the first wins, and the attempts of the others are removed.

        Args:
            address: The address.
            attempt: Folder from :meth:`new_attempt`, with at least one file.
            info: JSON values to keep in ``DONE.json``, for instance seconds and device.

        Returns:
            Folder of the published artifact, of whoever published it.

        Raises:
            StoreError: If the disk is full or cannot be written. The attempt is then removed; there is no
                artifact, and no other artifact is touched.
        """
        self._must_write(f"publish {address}")
        assert attempt.parent == self.folder(address), f"{attempt} is no attempt at {address}"
        try:
            with disk_errors(attempt, doing="publish"):
                commit(attempt, info=info)
        finally:
            self.discard(attempt)  # unless it has won
        return self.path(address)

    def discard(self, attempt: Path) -> None:
        """Remove an attempt unless it was published.

        A disk that has just failed may refuse this too: what stays is no artifact, and ``dymu cache gc``
        finds it.
        """
        address = f"{attempt.parent.parent.name}/{attempt.parent.name}"
        with suppress(OSError, StoreError):
            if not self._won(address, attempt):
                (attempt.parent / partial_name(attempt)).unlink(missing_ok=True)
                remove_path(attempt)

    # --- work in progress ------------------------------------------------------------------------------

    def work_dir(self, address: str, *, make: bool = True) -> Path:
        """Scratch folder of a step that survives interruption; never made in a read-only store."""
        work = self._place("work", address)
        if make and not self.read_only:
            with disk_errors(work, doing="create"):
                work.mkdir(parents=True, exist_ok=True)
        return work

    def look_work(self, address: str) -> Path:
        """Folder with what a step has told so far, on whatever node it runs; only for reading."""
        return self.work_dir(address, make=False)

    def clear_work(self, address: str) -> int:
        """Remove the scratch folder of a step; bytes freed."""
        self._must_write(f"clear the work of {address}")
        work = self._place("work", address)
        with disk_errors(work, doing="remove"):
            return remove_path(work)

    def pull_work(self, address: str) -> None:
        """Bring the scratch folder of a step here, at its start; here it is where all processes see it."""

    def push_work(self, address: str) -> None:
        """Send the scratch folder of a step to where all nodes find it; here it is there already."""

    # --- leases and flags --------------------------------------------------------------------------------

    def lease(self, address: str) -> Lease:
        """The lease of a step, not yet taken."""
        return Lease(self._register(address), address=address, read_only=self.read_only)

    def claimed_by(self, address: str, token: str) -> bool:
        """Whether the lease with this token is still the one in force.

        Raises:
            StoreError: If the store cannot be read.
        """
        return bool(token) and loads_holder(self._register(address).read().text).token == token

    def holders(self, addresses: Iterable[str]) -> dict[str, Holder]:
        """Who holds each lease, for those of the addresses whose lease is held; takes up to 8 s in all."""
        return holders({address: self.lease(address) for address in addresses})

    @contextmanager
    def exclusive(self, address: str) -> Iterator[bool]:
        """Keep everybody from working on a step; yields false if somebody does.

        For short work that must also succeed on a full disk.
        """
        self._must_write(f"touch {address}")
        register = FileRegister(self._lease_file(address))
        found = self.lease(address).vacant()
        if found is None:
            yield False
            return
        with register.locked() as mine:
            yield mine and register.read() == found

    def flag(self, name: str) -> Flag:
        """A mark that all processes see, for instance ``stop/<uuid>``.

        Raises:
            SpecError: If the name is not one or more words separated by slashes.
        """
        return FileFlag(self.root / "flags" / flag_name(name))

    # --- what goes ---------------------------------------------------------------------------------------

    def remove(self, address: str) -> int:
        """Remove an artifact, damaged or not.

        Returns:
            Bytes freed.

        Raises:
            StoreError: If there is no such artifact, or somebody works on it.
        """
        self._must_write(f"remove {address}")
        self._must_have(address)
        with self.exclusive(address) as free:
            if free:
                return self.drop(address)
        holder = self.lease(address).holder()
        who = "another process" if holder is None else holder.text
        raise StoreError(f"{address} is leased by {who}; nothing was removed. Stop it first.")

    def drop(self, address: str, name: str | None = None) -> int:
        """Remove an artifact, or one thing beside it; whoever calls has the step :meth:`exclusive`.

        Returns:
            Bytes freed.
        """
        folder = self.folder(address)
        with disk_errors(folder, doing="remove"):
            if name is None:
                return remove_path(folder, first=DONE)
            freed = remove_path(folder / name)
            if not any(folder.iterdir()):
                folder.rmdir()
            return freed

    def damaged(self) -> dict[str, int]:
        """What :meth:`set_aside` has kept, ``<stage>/<digest>-<uuid>``: bytes."""
        return {name: size_of(self._place("damaged", name)) for name in self._folders("damaged", None)}

    def drop_damaged(self, name: str) -> int:
        """Remove what :meth:`set_aside` has kept; bytes freed."""
        self._must_write(f"remove {name}")
        with disk_errors(self.root / "damaged" / name, doing="remove"):
            return remove_path(self._place("damaged", name))

    def set_aside(self, address: str, reason: str) -> str | None:
        """Move a damaged artifact out of the way, so that its step is computed again; nothing is deleted.

        The artifact is compared with its checksums once more: if it is sound, because somebody has repaired
        it in the meantime, it stays.

        Args:
            address: The address.
            reason: Kept beside the files.

        Returns:
            Where the files are now; ``None`` if the artifact is sound or there is none.

        Raises:
            StoreError: If the disk refuses.
        """
        self._must_write(f"set {address} aside")
        folder = self.folder(address)
        attempt = damaged_attempt(folder, address=address) if self.has(address) else None
        if attempt is None:
            return None
        aside = self.root / "damaged" / f"{address}-{uuid.uuid4().hex}"
        with disk_errors(folder, doing="move"):
            return str(aside) if move_aside(folder, aside, attempt=attempt, reason=reason) else None

    # --- manifests -------------------------------------------------------------------------------------

    def save_manifest(self, manifest: Manifest) -> None:
        """Write a manifest, with the seeds that the stored one of this name has beyond it."""
        self._must_write(f"save manifest {manifest.name}")
        save_manifest(self._manifests, manifest)

    def manifest(self, name: str) -> Manifest:
        """A manifest by name.

        Raises:
            StoreError: If there is none (names those that exist), or it cannot be read.
        """
        return read_manifest(self._manifests, name)

    def manifests(self) -> list[Manifest]:
        """All manifests, by name."""
        return [self.manifest(name) for name in manifest_names(self._manifests)]

    # --- inside ----------------------------------------------------------------------------------------

    @property
    def _manifests(self) -> Path:
        return self.root / "manifests"

    def _place(self, part: str, address: str) -> Path:
        self._check_address(address)
        return self.root / part / address

    def _lease_file(self, address: str) -> Path:
        place = self._place("leases", address)
        return place.with_name(place.name + ".json")

    def _register(self, address: str) -> Register:
        return FileRegister(self._lease_file(address))

    def _folders(self, part: str, stage: str | None) -> Iterator[str]:
        top = self.root / part
        stages = folders_in(top) if stage is None else [top / stage]
        names = (f"{folder.name}/{below.name}" for folder in stages for below in folders_in(folder))
        return (name for name in names if ADDRESS.fullmatch(name))

    def _won(self, address: str, attempt: Path) -> bool:
        return self.has(address) and self.done(address)["attempt"] == attempt.name

    def _must_have(self, address: str) -> None:
        if not self.has(address):
            raise StoreError(f"{self.location} has no artifact {address}. Run the study that needs it.")

    def _must_write(self, what: str) -> None:
        if self.read_only:
            raise StoreError(f"cannot {what}: the store {self.location} was opened for reading only.")

    def _check_address(self, address: str) -> None:
        if ADDRESS.fullmatch(address) is None:
            raise SpecError(f"{address!r} is not an address; expected <stage>/<digest>, see `dymu cache ls`.")
