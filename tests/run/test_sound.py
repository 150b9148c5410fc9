import shutil
from collections.abc import Callable

import pytest

from dymu.artifacts.store import Store
from dymu.run.execute import run_chain
from dymu.run.place import Place
from dymu.run.plan import Plan
from dymu.run.sound import damage_of, without_damage

Planner = Callable[..., Plan]


@pytest.fixture
def done(planner: Planner, store: Store, place: Place) -> Plan:
    """A finished study."""
    (chain,) = planner("toy_studies:ours").chains
    assert run_chain(chain, store, place, lambda: False).failure is None
    return planner("toy_studies:ours")


def flip(store: Store, address: str, name: str) -> None:
    path = store.path(address) / name
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def test_a_bit_that_flips_after_a_process_has_read_the_file_is_found(done: Plan, store: Store) -> None:
    address = done.steps[0].address
    assert damage_of(store, address) is None
    flip(store, address, "result.json")
    assert "SHA-256" in (damage_of(store, address) or "")


def test_a_flipped_bit_is_found_and_set_aside(done: Plan, store: Store) -> None:
    address = done.steps[0].address
    flip(store, address, "result.json")
    told = damage_of(store, address)
    assert told is not None
    assert "SHA-256" in told
    assert str(store.root / "damaged") in told
    assert not store.has(address)


def test_a_file_that_went_after_it_was_read_is_found(done: Plan, store: Store) -> None:
    address = done.steps[0].address
    assert damage_of(store, address) is None
    (store.path(address) / "result.json").unlink()
    assert "missing" in (damage_of(store, address) or "")


def test_a_removed_artifact_is_damage(done: Plan, store: Store) -> None:
    address = done.steps[0].address
    shutil.rmtree(store.folder(address))
    assert damage_of(store, address) == "it was removed"


def test_a_plan_misses_damaged_records_only(done: Plan, store: Store) -> None:
    flip(store, done.steps[0].address, "result.json")  # nobody needs it any more
    flip(store, done.steps[-1].address, "record.json")
    plan, damage = without_damage(done, store)
    assert [step.stage for step in plan.missing] == ["evaluate"]
    assert list(damage) == [done.steps[-1].address]
    assert store.has(done.steps[0].address)
