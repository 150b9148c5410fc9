from typing import Any

import optuna
import pytest

from dymu.run.search.samplers import fixed_params, make_pruner, make_sampler
from dymu.spec.search import Pruner, Sampler
from dymu.spec.space import Float, Int

Z = Int(path="method.weight.z", low=1, high=5)


def drawn(sampler: Any) -> float:
    study = optuna.create_study(sampler=sampler)
    return study.ask().suggest_float("x", 0.0, 1.0)


def test_draws_depend_on_the_seed_and_the_number_of_the_trial() -> None:
    settings = [(seed, number) for seed in (0, 1) for number in (0, 1, 2)]
    found = [drawn(make_sampler(Sampler(kind="random", seed=s), n)) for s, n in settings]
    assert len(set(found)) == len(found)
    assert found == [drawn(make_sampler(Sampler(kind="random", seed=s), n)) for s, n in settings]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("tpe", "TPESampler"),
        ("nsgaii", "NSGAIISampler"),
        ("gp", "GPSampler"),
        ("random", "RandomSampler"),
        ("grid", "RandomSampler"),
    ],
)
def test_every_kind_is_a_sampler(kind: Any, name: str) -> None:
    assert type(make_sampler(Sampler(kind=kind), 0)).__name__ == name


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (None, "NopPruner"),
        (Pruner(), "SuccessiveHalvingPruner"),
        (Pruner(kind="hyperband"), "HyperbandPruner"),
    ],
)
def test_every_kind_is_a_pruner(settings: Pruner | None, name: str) -> None:
    assert type(make_pruner(settings, 4)).__name__ == name


def test_a_grid_goes_through_its_points_in_an_order_of_its_seed(make_search: Any) -> None:
    def order(seed: int) -> list[int]:
        search = make_search(space=(Z,), sampler=Sampler(kind="grid", seed=seed), trials=5)
        found = [fixed_params(search, number) for number in range(5)]
        return [params[Z.path] for params in found if params is not None]

    assert sorted(order(0)) == [1, 2, 3, 4, 5]
    assert order(0) == order(0)
    assert len({tuple(order(seed)) for seed in range(5)}) > 1


def test_the_first_trial_is_given_the_values_of_the_baseline(make_search: Any) -> None:
    search = make_search(space=(Z,))
    assert fixed_params(search, 0) == {Z.path: 1}
    assert fixed_params(search, 1) is None
    assert fixed_params(make_search(space=(Z,), start_at_baseline=False), 0) is None
    outside = Float(path="method.edge.x", low=0.6, high=0.9)
    assert fixed_params(make_search(space=(outside,)), 0) is None
