"""What can go from a store, and what is damaged in it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from dymu.artifacts.explain import INPUTS, stored_form
from dymu.artifacts.store import Store
from dymu.artifacts.trials import searched_addresses
from dymu.errors import CorruptArtifactError

Kind = Literal["artifact", "attempt", "work", "damaged"]
Part = tuple[Kind, str]
"""A kind, and for an attempt its name."""


@dataclass(frozen=True, kw_only=True)
class Removed:
    """Something that was removed, or would be.

    Attributes:
        kind: ``artifact``: no study refers to it; ``attempt``: never published; ``work``: scratch of a
            finished step; ``damaged``: an artifact whose files do not match their checksums.
        address: Address of the step.
        where: What was removed: a path, or the name of an object.
        size: Bytes freed.
    """

    kind: Kind
    address: str
    where: str
    size: int


def collect(store: Store, keep: Collection[str] = frozenset(), *, dry_run: bool = False) -> list[Removed]:
    """Remove artifacts that no manifest or search refers to, unpublished attempts, and stale scratch.

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
        return [_told(store, address, part) for address in idle for part in planned[address]]
    removed = []
    for address in planned:
        with store.exclusive(address) as free:
            if free:
                # Looked at again: the step may have been published or cleared in the meantime.
                removed += [_remove(store, address, part) for part in _waste(store, address, alive)]
    return removed


def remove_damaged(store: Store, *, dry_run: bool = False) -> list[Removed]:
    """Remove artifacts whose files do not match their checksums, so that the next run makes them again.

    What runs have found damaged and set aside goes, too. Steps that are leased are not touched.

    Raises:
        StoreError: If the store cannot be read or written.
    """
    removed = []
    for address, error in verify_all(store):
        if error is None:
            continue
        if dry_run:
            removed.append(_told(store, address, ("damaged", "")))
            continue
        with store.exclusive(address) as free:
            if free:
                removed.append(_remove(store, address, ("damaged", "")))
    for name, size in store.damaged().items():
        freed = size if dry_run else store.drop_damaged(name)
        where = store.where("damaged", name)
        removed.append(Removed(kind="damaged", address=name.rpartition("-")[0], where=where, size=freed))
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
    searched = searched_addresses(store)
    waiting = [*keep, *begun, *searched, *(address for stages in steps for address in stages.values())]
    alive: set[str] = set()
    while waiting:
        address = waiting.pop()
        if address not in alive:
            alive.add(address)
            form = stored_form(store, address)
            waiting += [] if form is None else form[INPUTS].values()
    return alive


def _waste(store: Store, address: str, alive: Collection[str]) -> list[Part]:
    finished = store.has(address)
    waste: list[Part] = []
    if finished and store.work_size(address) is not None:
        waste.append(("work", ""))
    if finished and address not in alive:
        waste.append(("artifact", ""))
    else:
        waste += [("attempt", name) for name in store.unpublished(address)]
    return waste


def _remove(store: Store, address: str, part: Part) -> Removed:
    kind, name = part
    freed = store.clear_work(address) if kind == "work" else store.drop(address, name or None)
    return Removed(kind=kind, address=address, where=_where(store, address, part), size=freed)


def _told(store: Store, address: str, part: Part) -> Removed:
    kind, name = part
    if kind == "work":
        size = store.work_size(address) or 0
    else:
        size = store.unpublished(address)[name] if name else store.size(address)
    return Removed(kind=kind, address=address, where=_where(store, address, part), size=size)


def _where(store: Store, address: str, part: Part) -> str:
    kind, name = part
    return store.where("work" if kind == "work" else "artifacts", address, name)
