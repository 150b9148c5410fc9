"""The trained controller: architectures, networks, costs, budgets."""

import copy
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dymu.errors import SpecError
from dymu.product.controller import TrainedController
from dymu.stages.predictors import ControllablePredictor

R = [0.2, 0.3, 0.5]
GRID = [[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.1, 0.8, 0.1], [0.4, 0.4, 0.2]]


@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_predictions_are_those_of_the_evaluation(
    untrained: TrainedController, images: Tensor, statistics: str
) -> None:
    for preference in GRID:
        network = untrained.network(preference, 0.4, statistics=statistics)  # type: ignore[arg-type]
        expected = untrained.parts.predict(images, torch.tensor(preference), 0.4, mode=statistics)  # type: ignore[arg-type]
        found = network(images)
        assert list(found) == ["digit", "rooms", "depth"]
        for prediction, reference in zip(found.values(), expected, strict=True):
            torch.testing.assert_close(prediction, reference)


def test_a_preference_may_be_given_by_name(untrained: TrainedController) -> None:
    by_name = {"depth": 0.5, "digit": 0.2, "rooms": 0.3}
    assert untrained.architecture(by_name, 0.5) == untrained.architecture(R, 0.5)


@pytest.mark.parametrize("kind", [tuple, np.array, torch.tensor])
def test_a_preference_may_be_any_sequence(untrained: TrainedController, kind: Callable[[Any], Any]) -> None:
    resource = kind([0.5])[0]
    found = untrained.architecture(kind(R), resource)
    assert found.parents == untrained.architecture(R, 0.5).parents
    assert found.resource_preference == 0.5
    assert untrained.cost(kind(R), resource) == untrained.cost(R, 0.5)


def test_a_preference_with_other_names_is_refused(untrained: TrainedController) -> None:
    with pytest.raises(SpecError, match="names digit, walls; expected each of digit, rooms, depth"):
        untrained.cost({"digit": 0.5, "walls": 0.5})


@pytest.mark.parametrize(
    ("preference", "resource", "message"),
    [
        ([0.5, 0.5], 0.0, "expected 3"),
        ([0.5, 0.6, 0.2], 0.0, "divide it by its sum"),
        (R, 1.5, r"resource preference is 1.5; expected a number in \[0, 1\]"),
        (R, math.nan, r"expected a number in \[0, 1\]"),
        (R, "much", r"resource preference is 'much'; expected a number in \[0, 1\]"),
        ("0.2,0.3,0.5", 0.0, "is '0.2,0.3,0.5'; expected one number for each of digit, rooms, depth"),
        (1.0, 0.0, "is 1.0; expected one number for each of digit, rooms, depth"),
        ([R], 0.0, "expected one number for each of digit, rooms, depth"),
    ],
)
def test_what_is_no_preference_is_refused(
    untrained: TrainedController, preference: Any, resource: Any, message: str
) -> None:
    for ask in (untrained.architecture, untrained.network, untrained.cost):
        with pytest.raises(SpecError, match=message):
            ask(preference, resource)


def test_a_cost_is_that_of_the_module(untrained: TrainedController) -> None:
    for preference in GRID:
        cost, network = untrained.cost(preference, 0.4), untrained.network(preference, 0.4)
        assert cost.parameters == sum(parameter.numel() for parameter in network.parameters())
        assert cost.fraction == cost.parameters / untrained.parts.net.num_parameters()


def test_a_cost_is_that_of_the_evaluation(untrained: TrainedController) -> None:
    expected = ControllablePredictor(untrained.parts).cost(np.array(GRID), 0.4)
    found = [untrained.cost(preference, 0.4) for preference in GRID]
    assert [cost.parameters for cost in found] == expected.parameters_S.tolist()
    assert [cost.macs for cost in found] == expected.macs_S.tolist()


def test_recalibrated_statistics_are_those_of_the_calibration_images(
    untrained: TrainedController, images: Tensor
) -> None:
    network = untrained.network(R, 0.4, statistics="recalibrated", calibration=images)
    together = untrained.network(R, 0.4, statistics="batch")(images)
    alone = {task: torch.cat([network(image[None])[task] for image in images]) for task in together}
    for task, expected in together.items():
        # Stored variances are divided by one less than the count, those of a batch by the count.
        torch.testing.assert_close(alone[task], network(images)[task])
        assert torch.corrcoef(torch.stack([alone[task].flatten(), expected.flatten()]))[0, 1] > 0.98


def test_calibration_images_may_come_with_the_controller(
    untrained: TrainedController, images: Tensor
) -> None:
    carries = TrainedController(
        untrained.parts, source="nowhere", statistics="recalibrated", calibration=[images]
    )
    given = untrained.network(R, 0.4, statistics="recalibrated", calibration=[images])
    torch.testing.assert_close(carries.network(R, 0.4)(images[:1]), given(images[:1]))


def test_recalibration_without_images_is_refused(untrained: TrainedController) -> None:
    with pytest.raises(SpecError, match="no images to do it with"):
        untrained.network(R, statistics="recalibrated")


def test_unknown_statistics_are_refused(untrained: TrainedController) -> None:
    with pytest.raises(SpecError, match="statistics is 'median'; expected 'batch'"):
        untrained.network(R, statistics="median")  # type: ignore[arg-type]


def test_networks_share_convolutions_and_have_their_own_normalisation(untrained: TrainedController) -> None:
    one, other = (untrained.network(R, c).state_dict() for c in (0.0, 0.0))
    for name, tensor in one.items():
        shared = tensor.data_ptr() == other[name].data_ptr()
        assert shared == (".part." in name), name


def test_a_network_survives_the_next_switch(untrained: TrainedController, images: Tensor) -> None:
    first = untrained.network(R, 0.0)
    before = {task: out.clone() for task, out in first(images).items()}
    untrained.network([1.0, 0.0, 0.0], 1.0)(images)
    torch.testing.assert_close(first(images), before, rtol=0, atol=0)


def test_a_deep_copy_stands_alone(untrained: TrainedController, images: Tensor) -> None:
    network = untrained.network(R, 0.0)
    before = network(images)["digit"].clone()
    alone = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in alone.parameters():
            parameter.add_(1.0)
    torch.testing.assert_close(network(images)["digit"], before, rtol=0, atol=0)


def test_the_budget_is_met_by_the_smallest_c_that_can(untrained: TrainedController) -> None:
    costs = [untrained.cost(R, step / 1000) for step in range(1001)]
    for budget in {cost.parameters for cost in costs}:
        fit = untrained.within(R, parameters=budget)
        fitting = [step / 1000 for step, cost in enumerate(costs) if cost.parameters <= budget]
        assert fit.resource_preference == fitting[0]
        assert fit.cost == untrained.cost(R, fitting[0])
        assert fit.architecture == untrained.architecture(R, fitting[0])


def test_two_budgets_hold_together(untrained: TrainedController) -> None:
    costs = [untrained.cost(R, step / 1000) for step in range(1001)]
    parameters, macs = max(cost.parameters for cost in costs), min(cost.macs for cost in costs)
    fit = untrained.within(R, parameters=parameters, macs=macs)
    assert fit.cost.macs == macs


def test_a_budget_that_nothing_meets_names_the_cheapest(untrained: TrainedController) -> None:
    cheapest = min(untrained.cost(R, step / 1000).parameters for step in range(1001))
    with pytest.raises(SpecError, match=f"at most 10 parameters.*fewest parameters are {cheapest:,}"):
        untrained.within(R, parameters=10)


@pytest.mark.parametrize("budget", [0, -1, math.nan, "small"])
def test_what_is_no_budget_is_refused(untrained: TrainedController, budget: Any) -> None:
    with pytest.raises(SpecError, match=r"macs is .*; expected a positive number"):
        untrained.within(R, macs=budget)


def test_networks_run_side_by_side_in_threads(untrained: TrainedController, images: Tensor) -> None:
    asked = [(preference, step / 5) for preference in GRID for step in range(6)]
    expected = [untrained.network(*one)(images) for one in asked]
    fresh = TrainedController(untrained.parts, source="nowhere")  # makes its nodes while others ask for them
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: fresh.network(*one)(images), asked))
    for one, other in zip(found, expected, strict=True):
        for task, prediction in one.items():
            assert torch.equal(prediction, other[task])


def test_no_budget_is_refused(untrained: TrainedController) -> None:
    with pytest.raises(SpecError, match="there is no budget; give parameters="):
        untrained.within(R)
