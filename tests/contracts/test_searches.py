"""Every search: named after its place, about values of records, and buildable to the ends of its space."""

import pickle
from pathlib import Path

from dymu.run.search.budget import extent_of
from dymu.run.search.objectives import check_objectives
from dymu.run.search.target import AnySearch, parts_of
from dymu.spec.search import Search

Entry = tuple[str, str, AnySearch]
ROOT = Path(__file__).parents[2]


def parts(entry: Entry) -> list[Search]:
    return [part for _, part in parts_of(entry[2], folder=ROOT).values()]


def test_its_name_says_where_it_is(search_entry: Entry) -> None:
    module, attribute, search = search_entry
    assert search.name == f"{module.rpartition('.')[2]}-{attribute.replace('_', '-')}"


def test_its_objectives_are_values_of_records(search_entry: Entry) -> None:
    for part in parts(search_entry):
        check_objectives(part)


def test_it_can_be_built_at_the_ends_of_its_space_and_shares_what_comes_before(search_entry: Entry) -> None:
    for part in parts(search_entry):
        extent = extent_of(part)
        assert extent.shared, f"{part.name} trains everything anew in every trial"
        assert "evaluate" not in extent.stages


def test_every_arm_has_the_same_budget_and_the_paper_values_within_reach(search_entry: Entry) -> None:
    found = parts(search_entry)
    assert len({(part.trials, part.seeds, part.sampler) for part in found}) == 1
    assert all(part.start_at_baseline for part in found)


def test_it_travels_to_another_process(search_entry: Entry) -> None:
    assert pickle.loads(pickle.dumps(search_entry[2])) == search_entry[2]
