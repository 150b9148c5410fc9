"""Whether artifacts are what was published: checked by SHA-256 whenever a step begins that reads them."""

from dataclasses import replace

from dymu.artifacts.store import Store
from dymu.errors import CorruptArtifactError, StoreError
from dymu.run.plan import Plan


def damage_of(store: Store, address: str) -> str | None:
    """What is wrong with an artifact, or ``None`` if it is sound; what is damaged is moved out of the way.

    Reads every file, about a second a gigabyte: a file may change between two steps of one process.

    Raises:
        StoreError: If the store cannot be read.
    """
    if not store.has(address):
        return "it was removed"
    try:
        store.verify(address)
    except CorruptArtifactError as error:
        where = store.set_aside(address, str(error))
        if where is None and store.has(address):
            return None  # somebody else has just repaired it
        return f"{error} What is left of it was moved to {where or 'another place'}."
    except StoreError:
        if store.has(address):
            raise
        return "it was removed"
    return None


def without_damage(plan: Plan, store: Store) -> tuple[Plan, dict[str, str]]:
    """A plan in which damaged last steps are missing, so that they run again.

    The other steps are checked by those that read them.

    Returns:
        The plan, and by address what was wrong.
    """
    found = {
        final.address: damage
        for final in plan.finals.values()
        if final.address in plan.cached and (damage := damage_of(store, final.address)) is not None
    }
    return replace(plan, cached=plan.cached - set(found)), found
