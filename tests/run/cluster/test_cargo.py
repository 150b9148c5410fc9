from collections.abc import Callable

import pytest

from dymu.run.cluster.cargo import Cargo, Work, pack, unpack_cargo, unpack_chain, unpack_work
from dymu.run.place import Place
from dymu.run.plan import Plan

Planner = Callable[..., Plan]


def test_what_is_packed_comes_out(planner: Planner, place: Place) -> None:
    (chain,) = planner("toy_studies:ours").chains
    cargo = Cargo(place=place, location="s3://bucket/study", stop="stop/1", scratch="scratch", owned=True)
    work = Work(step=chain.steps[2], token="t", cargo=cargo)
    assert unpack_cargo(pack(cargo)) == cargo
    assert unpack_chain(pack(chain)) == chain
    assert [s.address for s in unpack_chain(pack(chain)).steps] == [s.address for s in chain.steps]
    assert unpack_work(pack(work)) == work


def test_one_thing_is_not_taken_for_another(place: Place) -> None:
    cargo = Cargo(place=place, location="", stop="", scratch="", owned=False)
    with pytest.raises(AssertionError):
        unpack_work(pack(cargo))
