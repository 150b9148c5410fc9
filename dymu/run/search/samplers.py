"""Optuna's samplers and pruners, with every argument that matters written out.

A sampler is made anew for each trial, from the search's seed and the trial's number. So a search that was
interrupted, or is extended later, goes on with the draws it would have had; one generator for all trials
would begin again with those of the first.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from dymu.artifacts.fingerprint import digest
from dymu.spec.search import Pruner, Sampler, Search
from dymu.spec.space import own_params, points

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

_CANDIDATES = 24
_SEEDS = 2**32


def make_sampler(settings: Sampler, number: int) -> "BaseSampler":
    """The sampler of one trial."""
    from optuna import samplers
    from optuna.samplers.nsgaii import UniformCrossover

    seed = int(digest((settings.seed, number)), 16) % _SEEDS
    with _experimental():
        match settings.kind:
            case "tpe":
                return samplers.TPESampler(
                    seed=seed,
                    n_startup_trials=settings.startup_trials,
                    n_ei_candidates=_CANDIDATES,
                    multivariate=True,
                    group=True,  # otherwise entries with a condition are drawn at random
                    constant_liar=True,  # trials that run count as poor ones: proposals keep apart
                )
            case "nsgaii":
                return samplers.NSGAIISampler(
                    seed=seed,
                    population_size=settings.population,
                    mutation_prob=None,
                    crossover=UniformCrossover(swapping_prob=0.5),
                    crossover_prob=0.9,
                )
            case "gp":
                return samplers.GPSampler(
                    seed=seed,
                    n_startup_trials=settings.startup_trials,
                    deterministic_objective=False,
                    independent_sampler=samplers.RandomSampler(seed=seed),
                    warn_independent_sampling=False,
                )
            case "random" | "grid":  # the points of a grid are set, not drawn
                return samplers.RandomSampler(seed=seed)


def make_pruner(settings: Pruner | None, num_seeds: int) -> "BasePruner":
    """The pruner of a search; its resource is the number of seeds."""
    from optuna import pruners

    if settings is None:
        return pruners.NopPruner()
    if settings.kind == "asha":
        return pruners.SuccessiveHalvingPruner(
            min_resource=settings.min_seeds,
            reduction_factor=settings.reduction,
            min_early_stopping_rate=0,
            bootstrap_count=0,
        )
    return pruners.HyperbandPruner(
        min_resource=settings.min_seeds,
        max_resource=num_seeds,
        reduction_factor=settings.reduction,
        bootstrap_count=0,
    )


def fixed_params(search: Search, number: int) -> dict[str, Any] | None:
    """What a trial is given instead of a draw: a point of the grid, or the baseline's own values."""
    if search.sampler.kind == "grid":
        grid = points(search.space)
        order = np.random.default_rng(search.sampler.seed).permutation(len(grid))
        return grid[int(order[number])]
    if number == 0 and search.start_at_baseline:
        own = own_params(search.baseline, search.space)
        return None if own is None else dict(own)
    return None


@contextmanager
def _experimental() -> Iterator[None]:
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
