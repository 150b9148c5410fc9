from types import SimpleNamespace

import pytest

from dymu.artifacts import index as module
from dymu.artifacts.index import TRUST_S, Index, Listing


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of the index, which stands still unless a test changes it."""
    now = [1000.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


class Fake:
    """A storage that counts its requests."""

    def __init__(self, *addresses: str) -> None:
        self.there = set(addresses)
        self.asked = 0
        self.listed = 0
        self.index = Index(self.ask, self.list)

    def ask(self, address: str) -> bool:
        self.asked += 1
        return address in self.there

    def list(self, stage: str) -> tuple[Listing, int]:
        self.listed += 1
        found = {address: 7 for address in self.there if address.startswith(f"{stage}/")}
        return found, len(found) // 1000 + 1


def many(count: int, stage: str = "edge") -> list[str]:
    return [f"{stage}/{number:016x}" for number in range(count)]


def test_few_are_asked_for_one_by_one() -> None:
    fake = Fake("edge/a")
    assert fake.index.has("edge/a")
    assert not fake.index.has("edge/b")
    assert (fake.asked, fake.listed) == (2, 0)


def test_thousand_that_exist_cost_a_listing() -> None:
    fake = Fake(*many(1000))
    assert all(fake.index.has(address) for address in many(1000))
    assert fake.asked + fake.listed < 15


def test_thousand_that_do_not_exist_cost_a_listing() -> None:
    fake = Fake()
    assert not any(fake.index.has(address) for address in many(1000))
    assert fake.asked + fake.listed < 15


def test_each_stage_is_listed_for_itself() -> None:
    fake = Fake(*many(100, "edge"), *many(100, "weight"))
    assert all(fake.index.has(address) for address in [*many(100, "edge"), *many(100, "weight")])
    assert fake.listed == 2


def test_what_was_seen_is_believed_for_a_while() -> None:
    fake = Fake("edge/a")
    assert fake.index.has("edge/a")
    fake.there.clear()
    assert fake.index.has("edge/a")
    fake.index.doubt("edge/a")
    assert not fake.index.has("edge/a")


def test_belief_ends(clock: list[float]) -> None:
    fake = Fake("edge/a")
    assert fake.index.has("edge/a")
    fake.there.clear()
    clock[0] += TRUST_S - 1
    assert fake.index.has("edge/a")
    clock[0] += 1
    assert not fake.index.has("edge/a")


def test_absence_is_asked_for_again() -> None:
    fake = Fake()
    assert not fake.index.has("edge/a")
    fake.there.add("edge/a")
    assert fake.index.has("edge/a")


def test_absence_by_a_listing_is_doubted_when_told_so() -> None:
    fake = Fake(*many(20))
    assert all(fake.index.has(address) for address in many(20))
    assert not fake.index.has("edge/late")
    fake.there.add("edge/late")
    assert not fake.index.has("edge/late")  # the listing is fresh
    fake.index.doubt("edge/late")
    assert fake.index.has("edge/late")


def test_listing_forgets_what_is_gone() -> None:
    fake = Fake(*many(3))
    assert fake.index.has(many(1)[0])
    fake.there.clear()
    assert fake.index.all("edge") == {}
    assert not fake.index.has(many(1)[0])


def test_size_is_that_of_the_listing() -> None:
    fake = Fake("edge/a")
    assert fake.index.size("edge/a") is None
    fake.index.all("edge")
    assert fake.index.size("edge/a") == 7
    fake.index.doubt("edge/a")
    assert fake.index.size("edge/a") is None
