"""Two optimisers as one: each moves what is its own, and only what has a gradient."""

import pytest
import torch
from torch import nn

from dymu.stages.optimisation import Optimisation
from dymu.stages.two_optimisers import SearchOptimisation

WEIGHTS = Optimisation(num_steps=4, optimiser="sgd", learning_rate=0.5, schedule="cosine", weight_decay=0.1)


@pytest.fixture
def parameters() -> list[nn.Parameter]:
    """A weight and the logits."""
    return [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))]


@pytest.fixture
def optimisation(parameters: list[nn.Parameter]) -> SearchOptimisation:
    return SearchOptimisation(weights=WEIGHTS, logits=parameters[1], logit_rate=0.01, logit_decay=0.2)


def test_the_schedule_is_that_of_the_weights(optimisation: SearchOptimisation) -> None:
    assert optimisation.num_steps == 4
    assert [optimisation.rate(step) for step in range(4)] == [WEIGHTS.rate(step) for step in range(4)]


def test_the_loop_sees_the_groups_of_the_weights(
    optimisation: SearchOptimisation, parameters: list[nn.Parameter]
) -> None:
    both = optimisation.build(parameters)
    assert [group["params"] for group in both.param_groups] == [[parameters[0]]]
    assert [group["lr"] for group in both.logits.param_groups] == [0.01]
    assert [group["weight_decay"] for group in both.logits.param_groups] == [0.2]


@pytest.mark.parametrize("moving", [0, 1])
def test_what_has_no_gradient_stays_whatever_decays(
    moving: int, optimisation: SearchOptimisation, parameters: list[nn.Parameter]
) -> None:
    both = optimisation.build(parameters)
    for _ in range(2):
        both.zero_grad(set_to_none=True)
        parameters[0].grad, parameters[1].grad = torch.ones(2), torch.ones(3)
        both.step()
    before = [parameter.detach().clone() for parameter in parameters]
    both.zero_grad(set_to_none=True)
    parameters[moving].grad = torch.ones_like(parameters[moving])
    both.step()
    assert not torch.equal(parameters[moving], before[moving])
    assert torch.equal(parameters[1 - moving], before[1 - moving])


def test_both_go_on_from_their_state() -> None:
    def moved(resumed: bool) -> list[list[float]]:
        own = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))]
        pair = SearchOptimisation(weights=WEIGHTS, logits=own[1], logit_rate=0.01)
        both = pair.build(own)
        for step in range(4):
            if resumed and step == 2:
                state = both.state_dict()
                both = pair.build(own)
                both.load_state_dict(state)
            own[0].grad, own[1].grad = own[0].detach() * step, own[1].detach() * (step + 1)
            both.step()
        return [parameter.tolist() for parameter in own]

    assert moved(resumed=True) == moved(resumed=False)
