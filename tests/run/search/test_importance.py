from collections.abc import Callable
from typing import Any

import optuna
import pytest

from dymu.run.search.importance import importances
from dymu.spec.search import Search
from dymu.spec.space import Choice, Float, When

X = Float(path="method.edge.x", low=0.0, high=1.0)
Y = Float(path="method.edge.y", low=0.0, high=1.0)
MODE = Choice(path="method.edge.mode", options={"straight": "plain", "bent": "bent"})
BEND = Float(path="method.edge.bend", low=0.1, high=1.0, only_when=When(path=MODE.path, equals=("bent",)))


def study_of(values: Callable[[float, float], float], count: int = 20) -> optuna.Study:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(count):
        trial = study.ask()
        x, y = trial.suggest_float(X.path, 0.0, 1.0), trial.suggest_float(Y.path, 0.0, 1.0)
        study.tell(trial, values(x, y))
    return study


@pytest.fixture
def search(make_search: Any) -> Search:
    found: Search = make_search(space=(X, Y))
    return found


def test_what_moves_the_objective_has_the_larger_share(search: Search) -> None:
    found, reason = importances(study_of(lambda x, y: 10 * x + y), search)
    shares = found["hypervolume/c=0"]
    assert reason == ""
    assert shares[X.path] > 0.7 > 0.3 > shares[Y.path]
    assert 0 < sum(shares.values()) <= 1 + 1e-9
    swapped, _ = importances(study_of(lambda x, y: x + 10 * y), search)
    assert swapped["hypervolume/c=0"][Y.path] > 0.7


def test_they_are_the_same_twice(search: Search) -> None:
    study = study_of(lambda x, y: x * y)
    assert importances(study, search) == importances(study, search)


def test_few_trials_have_none(search: Search) -> None:
    found = importances(study_of(lambda x, y: x + y, count=5), search)
    assert found == ({}, "importances need 8 complete trials, there are 5")


def test_a_constant_has_none(search: Search) -> None:
    assert importances(study_of(lambda *_: 1.0), search) == ({}, "the objectives are constant")


def test_an_entry_that_only_some_trials_have_is_left_out(make_search: Any) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        trial = study.ask()
        mode = trial.suggest_categorical(MODE.path, ["straight", "bent"])
        bend = trial.suggest_float(BEND.path, 0.1, 1.0) if mode == "bent" else 0.0
        study.tell(trial, bend)
    found, _ = importances(study, make_search(space=(MODE, BEND)))
    assert list(found["hypervolume/c=0"]) == [MODE.path]
