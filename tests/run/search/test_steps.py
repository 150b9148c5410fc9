from typing import Any

from dymu.artifacts.config import changed
from dymu.run.search.steps import final_step, identity_of, key_of
from dymu.spec.space import Int
from dymu.stages.validate import STAGE
from studies import digits, digits_search


def test_a_study_is_measured_on_the_validation_split() -> None:
    step = final_step(digits.ours, 3)
    assert (step.stage, step.seed) == (STAGE, 3)
    assert "evaluate" not in {below.stage for below in step.closure()}


def test_a_method_may_bring_its_own_measurement(make_search: Any) -> None:
    assert [s.stage for s in final_step(make_search().baseline, 0).closure()] == [
        "anchor",
        "edge",
        "weight",
        "validate",
    ]


def test_the_identity_is_the_same_in_every_process_and_without_the_budget() -> None:
    search = digits_search.branching
    assert identity_of(search) == identity_of(search.with_trials(99))
    assert key_of(search) == f"digits_search-branching-{identity_of(search)}"
    assert len(identity_of(search)) == 8


def test_it_follows_the_code_of_the_stages(make_search: Any) -> None:
    # The toy's anchor takes its revision from a field, as if its code had changed.
    search = make_search()
    method = changed(search.baseline.method, {"depth": 2})
    moved = changed(search, {"baseline": changed(search.baseline, {"method": method})})
    assert identity_of(moved) != identity_of(search)


def test_it_follows_the_space(make_search: Any) -> None:
    z = Int(path="method.weight.z", low=1, high=5)
    wider = Int(path="method.weight.z", low=1, high=6)
    assert identity_of(make_search(space=(z,))) != identity_of(make_search(space=(wider,)))
