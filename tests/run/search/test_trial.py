from collections.abc import Callable
from typing import Any

import pytest

from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.run.search.trial import OpenTrial, answer_of, missing_steps

Open = Callable[..., Any]


@pytest.fixture
def trial(make_search: Any, open_desk: Open) -> OpenTrial:
    desk = open_desk(make_search(seeds=(0, 10)))
    return OpenTrial(desk=desk, proposal=desk.next(), released=[0, 10])


def test_what_only_led_to_something_that_exists_is_not_missing(
    trial: OpenTrial, store: Store, executor: Any
) -> None:
    final = trial.proposal.finals[0]
    assert [step.stage for step in missing_steps(final, store)] == ["anchor", "edge", "weight", "validate"]
    executor.publish(final.inputs["weight"])
    assert [step.stage for step in missing_steps(final, store)] == ["anchor", "validate"]
    executor.publish(final)
    assert missing_steps(final, store) == []


def test_an_answer_is_the_mean_over_seeds(trial: OpenTrial, executor: Any, store: Store) -> None:
    for seed in (0, 10):
        executor.publish(trial.proposal.finals[seed])
    answer = answer_of(trial, store)
    assert answer.objectives[0] == pytest.approx(sum(v[0] for v in answer.by_seed.values()) / 2)
    assert answer.by_seed[10][0] - answer.by_seed[0][0] == pytest.approx(0.1)
    assert answer.means["hypervolume/c=0"] == answer.objectives[0]
    assert answer.answered


def test_a_record_without_the_objective_has_no_answer(trial: OpenTrial, executor: Any, store: Store) -> None:
    executor.values = lambda _: {"uniformity/c=0": -1.0}
    for seed in (0, 10):
        executor.publish(trial.proposal.finals[seed])
    with pytest.raises(ReportError, match="has no value 'hypervolume/c=0'; it has uniformity/c=0"):
        answer_of(trial, store)


def test_it_says_what_a_seed_lacks(trial: OpenTrial) -> None:
    final = trial.proposal.finals[10]
    trial.needs = {final.address, "edge/of-another-trial"}
    assert trial.lacks(10) == {final.address}
    assert trial.lacks(0) == set()
