from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.trials import Goal, SearchResult, Trial
from dymu.errors import ReportError, SpecError
from dymu.run.search.arms import best_arms, check_seeds
from dymu.run.search.target import find_search, parts_of
from dymu.run.target import Target, load_question
from dymu.spec.search import ArmSearch

TOYS = Path(__file__).parents[1] / "toys"
WEIGHT, EDGE = "method.weight.scale", "method.edge.scale"


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> ArmSearch:
    monkeypatch.syspath_prepend(str(TOYS))
    found = find_search("toy_search:arms", folder=TOYS)
    assert isinstance(found, ArmSearch)
    return found


def result_of(*values: float) -> SearchResult:
    trials = tuple(
        Trial(
            number=number,
            state="complete",
            params={WEIGHT: 1.0 + number, EDGE: 5.0},
            objectives=(value,),
        )
        for number, value in enumerate(values)
    )
    return SearchResult(
        name="toy",
        identity="0" * 8,
        target="t",
        study="s",
        goals=(Goal(value="hypervolume/c=0", maximize=True),),
        space={},
        sampler="",
        pruner="",
        seeds=(100,),
        budget=3,
        storage="",
        trials=trials,
    )


@pytest.fixture
def compare(search: ArmSearch) -> Callable[..., Target]:
    def make(**results: SearchResult) -> Target:
        question = load_question(search.question, folder=TOYS)
        return best_arms(search, question, parts_of(search, folder=TOYS), results, text="toy_search:arms")

    return make


def test_every_arm_is_at_its_own_best(compare: Callable[..., Target]) -> None:
    target = compare(baseline=result_of(1.0, 3.0, 2.0), double=result_of(3.0, 1.0, 2.0))
    methods: list[Any] = [arm.study.method for arm in target.arms]
    assert [method.weight.scale for method in methods] == [2.0, 1.0]
    assert [method.edge.scale for method in methods] == [5.0, 2.0]  # what an arm changes stays
    assert target.arms[1].changes == {EDGE: 2.0, WEIGHT: 1.0}


def test_the_table_says_so(compare: Callable[..., Target]) -> None:
    target = compare(baseline=result_of(1.0, 3.0, 2.0), double=result_of(3.0, 1.0, 2.0))
    assert target.name == "toy_search-ours.toy_search-arms"
    assert target.title.endswith("Each row at its own best of 3 trials")
    assert [arm.label for arm in target.arms] == ["Ours, best of 3", "double, best of 3"]
    assert target.source == ""
    assert not any(arm.paper for arm in target.arms)


def test_no_arm_is_compared_before_all_budgets_are_spent(compare: Callable[..., Target]) -> None:
    with pytest.raises(ReportError, match="toy_search-arms--double has 2 of 3 trials; the same command"):
        compare(baseline=result_of(1.0, 3.0, 2.0), double=result_of(3.0, 1.0))


def test_an_arm_without_a_complete_trial_is_told(compare: Callable[..., Target]) -> None:
    done = result_of(1.0, 3.0, 2.0)
    failed = replace(
        done, trials=tuple(replace(trial, state="failed", objectives=()) for trial in done.trials)
    )
    with pytest.raises(ReportError, match="toy_search-arms--double: none of its 3 trials is complete"):
        compare(baseline=done, double=failed)


def test_seeds_that_chose_do_not_judge(search: ArmSearch) -> None:
    check_seeds(search, (0, 1, 2))
    with pytest.raises(
        SpecError, match="chooses the settings of its arms at seed 100; compare them at other"
    ):
        check_seeds(search, (99, 100))
