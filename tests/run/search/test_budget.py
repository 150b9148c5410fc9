from collections.abc import Callable
from typing import Any

import pytest

from dymu.artifacts.store import Store
from dymu.errors import SpecError
from dymu.run.search.budget import budget_of, extent_of
from dymu.spec.space import Choice, Int
from dymu.stages.weight import WeightConfig
from studies import digits, digits_search

Make = Callable[..., Any]
Z = Int(path="method.weight.z", low=1, high=5)


def stages(addresses: Any) -> list[str]:
    return sorted(address.partition("/")[0] for address in addresses)


def test_what_no_entry_touches_is_shared(make_search: Make) -> None:
    assert stages(extent_of(make_search()).shared) == ["anchor"]
    assert stages(extent_of(make_search(space=(Z,), seeds=(0, 1))).shared) == ["anchor"] * 2 + ["edge"] * 2


def test_an_entry_of_the_first_stage_leaves_nothing_shared(make_search: Make) -> None:
    depth = Int(path="method.depth", low=1, high=2)
    assert extent_of(make_search(space=(depth,))).shared == frozenset()


def test_stages_that_only_some_proposals_have_are_known(make_search: Make) -> None:
    weight = Choice(path="method.weight", options={"with": WeightConfig(), "without": None})
    search = make_search(baseline=digits.ours, space=(weight,))
    assert extent_of(search).stages == {"anchor", "affinity", "edge", "weight", "validate"}


def test_a_corner_that_cannot_be_built_is_refused(make_search: Make) -> None:
    statistics = Choice(path="evaluation.statistics", options={"batch": "batch", "running": "running"})
    search = make_search(baseline=digits.phn_bn, space=(statistics,))
    with pytest.raises(SpecError, match=r"search curve_search-one at .*'running'.*keeps no running"):
        extent_of(search)


def test_a_budget_counts_shared_steps_once(make_search: Make) -> None:
    budget = budget_of(make_search(seeds=(0, 1)), None, asked=2)
    assert (budget.left, len(budget.shared), len(budget.shared_missing), len(budget.each)) == (4, 2, 2, 6)
    assert budget.form()["left"] == 4
    assert budget.unknown == ("anchor", "edge", "validate", "weight")


def test_what_the_store_has_is_not_counted(make_search: Make, searched: Make, store: Store) -> None:
    search = make_search(trials=2)
    searched(search)
    budget = budget_of(search.with_trials(9), store, asked=2)
    assert (budget.left, budget.shared_missing) == (7, ())


def test_searches_of_digits_share_the_anchor() -> None:
    for search in (digits_search.branching, digits_search.trade_off):
        assert stages(extent_of(search).shared) == ["affinity", "anchor"]
