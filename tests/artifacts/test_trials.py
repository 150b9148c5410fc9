from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dymu.artifacts.gc import collect
from dymu.artifacts.store import Store
from dymu.artifacts.trials import (
    TABLE,
    TRIALS,
    Goal,
    SearchResult,
    Trial,
    address_of,
    comma_separated,
    find_result,
    read_result,
    save_result,
    search_keys,
    searched_addresses,
    short_names,
)
from dymu.errors import ReportError, StoreError

Make = Callable[..., SearchResult]


def trial(number: int, *objectives: float, **more: object) -> Trial:
    fields = {
        "state": "complete" if objectives else "failed",
        "params": {"method.edge.x": 0.5 * number, "method.mode": "plain"},
        "objectives": objectives,
        "by_seed": {"0": objectives} if objectives else {},
        "addresses": {"0": f"validate/{number:016d}"},
        **more,
    }
    return Trial(number=number, **fields)  # type: ignore[arg-type]


@pytest.fixture
def make() -> Make:
    def build(*trials: Trial, **fields: object) -> SearchResult:
        basis = SearchResult(
            name="toy_search-one",
            identity="0a1b2c3d",
            target="toy_search:one",
            study="toy-ours",
            goals=(Goal(value="hypervolume/c=0", maximize=True), Goal(value="size", maximize=False)),
            space={"method.edge.x": "0 to 1", "method.mode": "plain, other"},
            sampler="tpe, seed 0",
            pruner="",
            seeds=(0,),
            budget=5,
            storage="journal.log in the store",
            trials=trials,
        )
        return replace(basis, **fields)  # type: ignore[arg-type]

    return build


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_what_was_saved_is_read(store: Store, make: Make) -> None:
    result = make(trial(0, 1.0, 2.0), trial(1, error="too bad"))
    save_result(store, result)
    found = read_result(store, result.key)
    assert replace(found, saved_at=0.0) == result
    assert found.saved_at > 1e9


def test_it_is_replaced_whole(store: Store, make: Make) -> None:
    save_result(store, make(trial(0, 1.0, 2.0)))
    save_result(store, make(trial(0, 1.0, 2.0), trial(1, 3.0, 4.0)))
    folder = store.work_dir(address_of("toy_search-one-0a1b2c3d"))
    assert sorted(path.name for path in folder.iterdir()) == [TABLE, TRIALS]
    assert len(read_result(store, "toy_search-one-0a1b2c3d").trials) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 99}'])
def test_what_is_no_file_of_trials_is_refused(store: Store, make: Make, text: str) -> None:
    path = save_result(store, make())
    path.write_text(text)
    with pytest.raises(StoreError, match=r"no readable trials|has format 99"):
        read_result(store, "toy_search-one-0a1b2c3d")


@pytest.mark.parametrize(
    "name", ["toy_search-one", "toy_search-one-0a1b2c3d", "toy_search:one", "a.toy_search:one"]
)
def test_a_search_is_found_by_its_names(store: Store, make: Make, name: str) -> None:
    save_result(store, make())
    assert find_result(store, name).identity == "0a1b2c3d"


def test_of_two_definitions_the_one_written_last_is_found(store: Store, make: Make) -> None:
    save_result(store, make(identity="ffffffff"))
    save_result(store, make(identity="00000000"))
    assert search_keys(store) == ["toy_search-one-00000000", "toy_search-one-ffffffff"]
    assert find_result(store, "toy_search-one").identity == "00000000"
    save_result(store, make(identity="ffffffff"))
    assert find_result(store, "toy_search-one").identity == "ffffffff"


def test_a_search_that_is_not_there_is_refused_with_those_that_are(store: Store, make: Make) -> None:
    with pytest.raises(ReportError, match="no search 'other'; it has none"):
        find_result(store, "other")
    save_result(store, make())
    with pytest.raises(ReportError, match="no search 'other'; it has toy_search-one-0a1b2c3d"):
        find_result(store, "other")


def test_the_pareto_set_is_what_nothing_beats(make: Make) -> None:
    result = make(trial(0, 1.0, 1.0), trial(1, 2.0, 2.0), trial(2, 1.5, 2.5), trial(3, 0.5, 1.0), trial(4))
    assert [t.number for t in result.pareto()] == [0, 1]


def test_equal_trials_are_all_in_the_pareto_set(make: Make) -> None:
    assert [t.number for t in make(trial(0, 1.0, 1.0), trial(1, 1.0, 1.0)).pareto()] == [0, 1]


def test_with_one_objective_it_is_the_best(make: Make) -> None:
    goal = (Goal(value="loss", maximize=False),)
    result = make(trial(0, 3.0), trial(1, 1.0), trial(2, 2.0), goals=goal)
    assert [t.number for t in result.pareto()] == [1]
    assert [t.number for t in result.ranked()] == [1, 2, 0]


def test_a_table_has_every_trial_with_exact_numbers(make: Make) -> None:
    text = comma_separated(make(trial(0, 1 / 3, 2.0), trial(1, error="a, b")))
    assert text.splitlines() == [
        "trial,state,method.edge.x,method.mode,hypervolume/c=0,size,seconds,error",
        "0,complete,0.0,plain,0.3333333333333333,2.0,,",
        '1,failed,0.5,plain,,,,"a, b"',
    ]


def test_what_trials_measured_is_not_collected(store: Store, make: Make) -> None:
    for number in range(2):
        address = f"validate/{number:016d}"
        attempt = store.new_attempt(address)
        (attempt / "file").touch()
        store.publish(address, attempt, info={})
    save_result(store, make(trial(0, 1.0, 1.0)))
    assert searched_addresses(store) == {"validate/0000000000000000"}
    collect(store)
    assert list(store.addresses()) == ["validate/0000000000000000"]
    assert search_keys(store) == ["toy_search-one-0a1b2c3d"]


def test_names_are_as_short_as_they_can_be_told_apart() -> None:
    paths = ["method.edge.rate", "method.weight.rate", "method.edge.tau", "name"]
    assert list(short_names(paths).values()) == ["edge.rate", "weight.rate", "tau", "name"]
    assert short_names(["a.b", "b"]) == {"a.b": "a.b", "b": "b"}
