"""Learning rates as functions of the step, and the two optimisers."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from dymu.errors import SpecError
from dymu.stages.optimisation import Optimisation


def test_the_defaults_are_the_papers_schedule() -> None:
    paper = Optimisation(num_steps=30_000)
    rates = [paper.rate(step) for step in (0, 13_999, 14_000, 27_999, 28_000, 29_999)]
    assert rates == pytest.approx([1e-3, 1e-3, 3e-4, 3e-4, 9e-5, 9e-5])


def test_constant_stays() -> None:
    constant = Optimisation(num_steps=10, learning_rate=0.5, schedule="constant")
    assert {constant.rate(step) for step in range(10)} == {0.5}


def test_cosine_falls_from_the_learning_rate_to_zero() -> None:
    cosine = Optimisation(num_steps=10, learning_rate=0.5, schedule="cosine")
    rates = [cosine.rate(step) for step in range(11)]
    assert rates == pytest.approx([0.25 * (1 + math.cos(math.pi * step / 10)) for step in range(11)])
    assert rates[0] == 0.5
    assert rates[10] == 0.0


def test_poly_falls_with_power_nine_tenths() -> None:
    poly = Optimisation(num_steps=4, learning_rate=2.0, schedule="poly")
    assert [poly.rate(step) for step in range(4)] == pytest.approx(
        [2 * (1 - step / 4) ** 0.9 for step in range(4)]
    )


def test_adam_is_torchs() -> None:
    built = Optimisation(num_steps=1, learning_rate=0.1, weight_decay=0.01).build(
        [nn.Parameter(torch.ones(1))]
    )
    assert isinstance(built, torch.optim.Adam)
    assert (built.param_groups[0]["lr"], built.param_groups[0]["weight_decay"]) == (0.1, 0.01)


def test_sgd_has_momentum() -> None:
    built = Optimisation(num_steps=1, optimiser="sgd", weight_decay=0.01).build([nn.Parameter(torch.ones(1))])
    assert isinstance(built, torch.optim.SGD)
    assert (built.param_groups[0]["momentum"], built.param_groups[0]["weight_decay"]) == (0.9, 0.01)


def test_the_recipe_of_dense_single_task_nets_takes_the_steps_that_it_says() -> None:
    recipe = Optimisation(
        num_steps=40_000, optimiser="sgd", learning_rate=5e-3, schedule="poly", weight_decay=1e-4
    )
    assert [recipe.rate(step) for step in (0, 20_000, 39_999)] == pytest.approx(
        [5e-3, 5e-3 * 0.5**0.9, 5e-3 * (1 / 40_000) ** 0.9]
    )
    weight = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    optimizer, expected, velocity = recipe.build([weight]), 2.0, 0.0
    for step in range(3):
        optimizer.param_groups[0]["lr"] = recipe.rate(step)
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        velocity = 0.9 * velocity + 1.0 + 1e-4 * expected
        expected -= recipe.rate(step) * velocity
    assert weight.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_steps": 0},
        {"num_steps": 2.5},
        {"learning_rate": 0.0},
        {"decay_every": 0},
        {"decay_factor": 0.0},
        {"decay_factor": 1.5},
        {"weight_decay": -0.1},
        {"schedule": "linear"},
        {"optimiser": "lion"},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=rf"Optimisation\.{next(iter(wrong))}"):
        Optimisation(**{"num_steps": 1} | wrong)
