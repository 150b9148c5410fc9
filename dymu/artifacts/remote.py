"""A store in a bucket, in the layout of a folder store; a local folder mirrors what is read.

What needs agreement (who publishes first, who holds a lease, who writes a work folder, which seeds a manifest
has) is settled by conditional writes of single objects, see :mod:`dymu.artifacts.remote_artifacts`,
:mod:`dymu.artifacts.remote_marks` and :mod:`dymu.artifacts.remote_work`.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dymu.artifacts.bucket import Bucket, Version
from dymu.artifacts.connect import open_bucket
from dymu.artifacts.courier import Courier
from dymu.artifacts.files import disk_errors, remove_path
from dymu.artifacts.flag import Flag
from dymu.artifacts.holder import Holder
from dymu.artifacts.lease import Lease, holders
from dymu.artifacts.manifest import Manifest, loads_manifest, manifest_file, unknown_manifest
from dymu.artifacts.register import Register
from dymu.artifacts.remote_artifacts import RemoteArtifacts
from dymu.artifacts.remote_marks import ObjectFlag, ObjectRegister
from dymu.artifacts.remote_work import RemoteWork
from dymu.artifacts.store import ADDRESS, MARKER, STORE_FORMAT, Store, check_format, flag_name
from dymu.errors import StoreError

_CLAIM_S = 1.0  # how long a lease that was in force is believed to be
_LOOK_S = 1.0  # how long what a step has told is not asked for again
_TRIES = 20


class ObjectStore(Store):
    """Artifacts by address in a bucket.

    Args:
        bucket: The bucket.
        mirror: Local folder for what is read and for work in progress; it can be deleted while nothing runs.
        read_only: Open a store that exists and change nothing in the bucket.

    Raises:
        StoreError: If the bucket cannot be reached or used, was written by a newer dymu, or is no store.
    """

    def __init__(self, bucket: Bucket, mirror: Path, *, read_only: bool = False) -> None:
        self.root = mirror.absolute()
        self.read_only = read_only
        self._bucket = bucket
        self._artifacts = RemoteArtifacts(bucket, self.root)
        self._works: dict[str, RemoteWork] = {}
        self._courier = Courier()
        self._claims: dict[tuple[str, str], float] = {}
        self._looks: dict[str, tuple[float, Version | None]] = {}  # when, and which version was found
        self._begun: tuple[float, frozenset[str]] = (float("-inf"), frozenset())
        marker = bucket.read(MARKER, quick=True)
        if marker is not None:
            check_format(marker[0], self.location)
        elif read_only:
            raise StoreError(
                f"{self.location} is not a store. Run a study first, or name one with --store or DYMU_STORE."
            )
        else:
            bucket.prove_conditions()
            bucket.create(MARKER, json.dumps({"format": STORE_FORMAT}).encode() + b"\n", quick=True)
        with disk_errors(self.root, doing="create the mirror"):
            self.root.mkdir(parents=True, exist_ok=True)

    @property
    def location(self) -> str:
        """``s3://bucket/prefix`` or alike."""
        return self._bucket.location

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened_again, (self.location, self.root, self.read_only)

    # --- reading ---------------------------------------------------------------------------------------

    def has(self, address: str) -> bool:
        """Whether an artifact was published, as of some seconds ago; many are asked for by a listing."""
        self._check_address(address)
        return self._artifacts.index.has(address)

    def done(self, address: str) -> dict[str, Any]:
        """Content of ``DONE.json``."""
        self._check_address(address)
        return self._artifacts.done(address)

    def path(self, address: str) -> Path:
        """Local folder with the files of a published artifact; those that are not here yet are brought."""
        self._check_address(address)
        return self._artifacts.path(address)

    def verify(self, address: str) -> None:
        """Read every file of an artifact from the bucket and compare it with its SHA-256."""
        self._check_address(address)
        self._artifacts.verify(address)

    def read(self, address: str, name: str) -> bytes:
        """One file of a published artifact."""
        self._check_address(address)
        return self._artifacts.read(address, name)

    def addresses(self, stage: str | None = None) -> Iterator[str]:
        """Addresses of all published artifacts, sorted by stage and digest."""
        stages = [stage] if stage else sorted({address.partition("/")[0] for address in self.started()})
        return (address for name in stages for address in sorted(self._artifacts.index.all(name)))

    def started(self) -> Iterator[str]:
        """Addresses with files of attempts, published or not."""
        return self._below("artifacts")

    def works(self) -> Iterator[str]:
        """Addresses with a work folder."""
        return self._below("work")

    def size(self, address: str) -> int:
        """Bytes that a published artifact takes in the bucket."""
        self._must_have(address)
        return self._artifacts.size(address)

    def unpublished(self, address: str) -> dict[str, int]:
        """Attempts beside the published one: name to bytes."""
        self._check_address(address)
        return self._artifacts.unpublished(address)

    def work_size(self, address: str) -> int | None:
        """Bytes of the work folder of a step in the bucket; ``None`` if there is none."""
        sizes = [blob.size for blob in self._bucket.list(f"work/{address}/")]
        return sum(sizes) if sizes else None

    def where(self, part: str, address: str, name: str = "") -> str:
        """Name of an object, or of the prefix of several, for people."""
        return self._bucket.name(f"{part}/{address}" + (f"/{name}" if name else ""))

    # --- publishing ------------------------------------------------------------------------------------

    def publish(self, address: str, attempt: Path, *, info: Mapping[str, Any]) -> Path:
        """Upload the files of an attempt and then its ``DONE.json``, unless the address has one.

        Raises:
            StoreError: If the bucket or the disk refuses. What was uploaded is no artifact, and is removed
                where that is possible.
        """
        self._must_write(f"publish {address}")
        assert attempt.parent == self.folder(address), f"{attempt} is no attempt at {address}"
        try:
            with disk_errors(attempt, doing="publish"):
                self._artifacts.publish(address, attempt, info=info)
        finally:
            self.discard(attempt)  # unless it has won
        return self.path(address)

    def discard(self, attempt: Path) -> None:
        """Remove an attempt, here and in the bucket, unless it was published."""
        address = f"{attempt.parent.parent.name}/{attempt.parent.name}"
        # What has just failed may fail again: what stays is no artifact, and `dymu cache gc` finds it.
        with suppress(OSError, StoreError):
            self._artifacts.discard(address, attempt)

    # --- work in progress ------------------------------------------------------------------------------

    def work_dir(self, address: str, *, make: bool = True) -> Path:
        """Local scratch folder of a step; in a read-only store the one that :meth:`look_work` fills."""
        return self._place("looks", address) if self.read_only else super().work_dir(address, make=make)

    def pull_work(self, address: str) -> None:
        """Bring the work folder of a step here and be its writer; what it tells is sent from now on.

        In a read-only store this brings what :meth:`look_work` brings.
        """
        if self.read_only:
            self._look_again(address)
            self.look_work(address)
            return
        self._work(address).pull(self.work_dir(address))
        self._courier.begin(address, self._work(address), self.work_dir(address))
        self._look_again(address)

    def push_work(self, address: str) -> None:
        """Send what has changed in the work folder of a step; nothing if another process has taken over."""
        self._must_write(f"work on {address}")
        self._work(address).push(self.work_dir(address))
        self._look_again(address)

    def look_work(self, address: str) -> Path:
        """Local folder with the texts of the work folder, as of two seconds ago; no step works in it."""
        folder = self._place("looks", address)
        if address not in self._looks:  # what an earlier process has left is of no known age
            with disk_errors(folder, doing="remove"):
                remove_path(folder)
        looked_at, known = self._looks.get(address, (float("-inf"), None))
        if time.monotonic() - looked_at >= _LOOK_S and (known is not None or address in self._works_begun()):
            known = RemoteWork(self._bucket, f"work/{address}").look(folder, known)
            looked_at = time.monotonic()
        self._looks[address] = (looked_at, known)
        return folder

    def clear_work(self, address: str) -> int:
        """Remove the work folder of a step, here and in the bucket; bytes freed in the bucket."""
        self._must_write(f"clear the work of {address}")
        self._courier.end(address)
        freed = self._work(address).clear()
        self._works.pop(address, None)
        self._look_again(address)
        super().clear_work(address)
        return freed

    # --- leases and flags --------------------------------------------------------------------------------

    def lease(self, address: str) -> Lease:
        """The lease of a step, not yet taken."""
        return Lease(
            self._register(address),
            address=address,
            read_only=self.read_only,
            on_taken=lambda: self._artifacts.doubt(address),  # who held it before may have published just now
        )

    def claimed_by(self, address: str, token: str) -> bool:
        """Whether the lease with this token is in force, as of at most a second ago."""
        if time.monotonic() - self._claims.get((address, token), float("-inf")) < _CLAIM_S:
            return True
        began = time.monotonic()
        claimed = super().claimed_by(address, token)
        if claimed:
            self._claims[address, token] = began
        else:
            self._claims.pop((address, token), None)
        return claimed

    def holders(self, addresses: Iterable[str]) -> dict[str, Holder]:
        """Who holds each lease, for those of the addresses whose lease is held; takes up to 8 s in all."""
        # A lease that was given back is an empty object.
        listed = {blob.key for blob in self._bucket.list("leases/") if blob.size}
        asked = [address for address in addresses if _lease_key(address) in listed]
        return holders({address: self.lease(address) for address in asked})

    @contextmanager
    def exclusive(self, address: str) -> Iterator[bool]:
        """Keep everybody from working on a step, by its lease."""
        self._must_write(f"touch {address}")
        lease = self.lease(address)
        found = lease.vacant()
        taken = found is not None and lease.take(found)
        try:
            yield taken
        finally:
            lease.release()

    def flag(self, name: str) -> Flag:
        """A mark that all processes see."""
        return ObjectFlag(self._bucket, f"flags/{flag_name(name)}")

    # --- what goes ---------------------------------------------------------------------------------------

    def drop(self, address: str, name: str | None = None) -> int:
        """Remove an artifact, or one attempt that is not published."""
        return self._artifacts.drop(address, name)

    def set_aside(self, address: str, reason: str) -> str | None:
        """Move a damaged artifact out of the way within the bucket; nothing is deleted."""
        self._must_write(f"set {address} aside")
        self._check_address(address)
        aside = self._artifacts.set_aside(address, reason)
        return None if aside is None else self._bucket.name(aside)

    def damaged(self) -> dict[str, int]:
        """What :meth:`set_aside` has kept: bytes."""
        found: dict[str, int] = {}
        for blob in self._bucket.list("damaged/"):
            name = "/".join(blob.key.split("/")[1:3])
            found[name] = found.get(name, 0) + blob.size
        return found

    def drop_damaged(self, name: str) -> int:
        """Remove what :meth:`set_aside` has kept; bytes freed."""
        self._must_write(f"remove {name}")
        blobs = list(self._bucket.list(f"damaged/{name}/"))
        self._bucket.remove([blob.key for blob in blobs])
        return sum(blob.size for blob in blobs)

    # --- manifests -------------------------------------------------------------------------------------

    def save_manifest(self, manifest: Manifest) -> None:
        """Write a manifest, with the seeds that the stored one of this name has beyond it.

        Raises:
            StoreError: If the store cannot be written, or others change the manifest again and again.
        """
        self._must_write(f"save manifest {manifest.name}")
        key = f"manifests/{manifest_file(manifest.name)}"
        for _ in range(_TRIES):
            found = self._bucket.read(key)
            if found is None:
                saved = self._bucket.create(key, manifest.dumps().encode())
            else:
                older = loads_manifest(found[0].decode("utf-8", "replace"), where=self._bucket.name(key))
                saved = self._bucket.replace(key, manifest.merged(older).dumps().encode(), found[1])
            if saved is not None:
                return
        raise StoreError(f"{self._bucket.name(key)} is changed by others all the time; try again.")

    def manifest(self, name: str) -> Manifest:
        """A manifest by name."""
        key = f"manifests/{manifest_file(name)}"
        found = self._bucket.read(key)
        if found is None:
            raise unknown_manifest(self.location, name, self._manifest_names())
        return loads_manifest(found[0].decode("utf-8", "replace"), where=self._bucket.name(key))

    def manifests(self) -> list[Manifest]:
        """All manifests, by name."""
        return [self.manifest(name) for name in self._manifest_names()]

    # --- inside ----------------------------------------------------------------------------------------

    def _register(self, address: str) -> Register:
        self._check_address(address)
        return ObjectRegister(self._bucket, _lease_key(address))

    def _work(self, address: str) -> RemoteWork:
        self._check_address(address)
        return self._works.setdefault(address, RemoteWork(self._bucket, f"work/{address}"))

    def _works_begun(self) -> frozenset[str]:
        """Steps with a work folder; one listing says of many that there is nothing to look at."""
        listed_at, begun = self._begun
        if time.monotonic() - listed_at >= _LOOK_S:
            began = time.monotonic()
            begun = frozenset(self.works())
            self._begun = (began, begun)
        return begun

    def _look_again(self, address: str) -> None:
        if address in self._looks:
            self._looks[address] = (float("-inf"), self._looks[address][1])
        self._begun = (float("-inf"), frozenset())

    def _below(self, part: str) -> Iterator[str]:
        seen = ("/".join(blob.key.split("/")[1:3]) for blob in self._bucket.list(f"{part}/"))
        return iter(sorted({address for address in seen if ADDRESS.fullmatch(address)}))

    def _bytes(self, prefix: str) -> int:
        return sum(blob.size for blob in self._bucket.list(prefix))

    def _manifest_names(self) -> list[str]:
        keys = (blob.key.removeprefix("manifests/") for blob in self._bucket.list("manifests/"))
        return sorted(key.removesuffix(".json") for key in keys if key.endswith(".json") and "/" not in key)


def mirror_of(location: str) -> Path:
    """Local folder that mirrors a bucket: below ``$DYMU_CACHE`` or ``~/.cache/dymu``."""
    base = os.environ.get("DYMU_CACHE")
    folder = Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dymu"
    return folder / hashlib.sha256(location.encode()).hexdigest()[:16]


def _opened_again(location: str, mirror: Path, read_only: bool) -> ObjectStore:
    return ObjectStore(open_bucket(location), mirror, read_only=read_only)


def _lease_key(address: str) -> str:
    return f"leases/{address}.json"
