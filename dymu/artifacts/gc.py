"""What can go from a store, and what is damaged in it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dymu.artifacts.done import DONE
from dymu.artifacts.explain import INPUTS, stored_form
from dymu.artifacts.files import disk_errors, remove_path, size_of
from dymu.artifacts.store import Store
from dymu.errors import CorruptArtifactError

Kind = Literal["artifact", "attempt", "work", "damaged"]


@dataclass(frozen=True, kw_only=True)
class Removed:
    """Something that was removed, or would be.

    Attributes:
        kind: ``artifact``: no study refers to it; ``attempt``: never published; ``work``: scratch of a
            finished step; ``damaged``: an artifact whose files do not match their checksums.
        address: Address of the step.
        path: What was removed.
        size: Bytes freed.
    """

    kind: Kind
    address: str
    path: Path
    size: int


def collect(store: Store, keep: Collection[str] = frozenset(), *, dry_run: bool = False) -> list[Removed]:
    """Remove artifacts that no manifest refers to, attempts that were never published, and stale scratch.

    What a manifest refers to is kept together with all inputs it was made from, and so are steps that have
    begun and can go on. Steps that are leased are not touched.

    Args:
        store: The store.
        keep: Addresses to keep besides, with their inputs.
        dry_run: Only tell what would be removed.

    Raises:
        CorruptArtifactError: If it cannot be read which inputs a kept artifact has; nothing is removed.
        StoreError: If the store cannot be written.
    """
    alive = _alive(store, keep)
    planned = {
        address: found
        for address in sorted({*store.started(), *store.works()})
        if (found := _waste(store, address, alive))
    }
    if dry_run:
        busy = store.holders(planned)
        idle = [address for address in planned if address not in busy]
        return [_told(address, kind, path) for address in idle for kind, path in planned[address]]
    removed = []
    for address in planned:
        with store.exclusive(address) as free:
            if free:
                # Looked at again: the step may have been published or cleared in the meantime.
                removed += [_remove(address, kind, path) for kind, path in _waste(store, address, alive)]
    return removed


def remove_damaged(store: Store, *, dry_run: bool = False) -> list[Removed]:
    """Remove artifacts whose files do not match their checksums, so that the next run makes them again.

    Steps that are leased are not touched.

    Raises:
        StoreError: If the store cannot be read or written.
    """
    removed = []
    for address, error in verify_all(store):
        if error is None:
            continue
        folder = store.folder(address)
        if dry_run:
            removed.append(_told(address, "damaged", folder))
            continue
        with store.exclusive(address) as free:
            if free:
                removed.append(_remove(address, "damaged", folder))
    return removed


def verify_all(store: Store) -> Iterator[tuple[str, CorruptArtifactError | None]]:
    """Compare every file of every artifact with its checksum.

    Yields:
        Each address, with the error or ``None``.

    Raises:
        StoreError: If a file cannot be read, or an artifact was written by a newer dymu.
    """
    for address in store.addresses():
        try:
            store.verify(address)
        except CorruptArtifactError as error:
            yield address, error
        else:
            yield address, None


def _alive(store: Store, keep: Collection[str]) -> set[str]:
    manifests = store.manifests()
    steps = (step for manifest in manifests for arm in manifest.arms for step in arm.steps.values())
    begun = (address for address in store.works() if not store.has(address))
    waiting = [*keep, *begun, *(address for stages in steps for address in stages.values())]
    alive: set[str] = set()
    while waiting:
        address = waiting.pop()
        if address not in alive:
            alive.add(address)
            form = stored_form(store, address)
            waiting += [] if form is None else form[INPUTS].values()
    return alive


def _waste(store: Store, address: str, alive: Collection[str]) -> list[tuple[Kind, Path]]:
    finished = store.has(address)
    work = store.work_dir(address, make=False)
    waste: list[tuple[Kind, Path]] = []
    if finished and work.exists():
        waste.append(("work", work))
    if finished and address not in alive:
        waste.append(("artifact", store.folder(address)))
    else:
        waste += [("attempt", path) for path in store.unpublished(address)]
    return waste


def _remove(address: str, kind: Kind, path: Path) -> Removed:
    with disk_errors(path, doing="remove"):
        freed = remove_path(path, first=DONE)
        if kind == "attempt" and not any(path.parent.iterdir()):
            path.parent.rmdir()
    return Removed(kind=kind, address=address, path=path, size=freed)


def _told(address: str, kind: Kind, path: Path) -> Removed:
    return Removed(kind=kind, address=address, path=path, size=size_of(path))
