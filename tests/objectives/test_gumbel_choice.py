"""Relaxed choices: rows of probabilities, drawn as the logits say."""

import torch

from dymu.objectives.gumbel_choice import gumbel_choice


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_soft_choice_is_a_row_of_probabilities() -> None:
    chosen = gumbel_choice(torch.randn(4, 3, 3, generator=generator()), 2.0, "soft", generator(1))
    torch.testing.assert_close(chosen.sum(dim=-1), torch.ones(4, 3))
    assert ((chosen > 0) & (chosen < 1)).all()


def test_a_straight_through_choice_is_where_the_soft_one_is_largest_and_has_its_gradient() -> None:
    logits = torch.randn(4, 3, generator=generator()).requires_grad_()
    weight = torch.randn(4, 3, generator=generator(5))
    soft = gumbel_choice(logits, 2.0, "soft", generator(1))
    (expected,) = torch.autograd.grad((soft * weight).sum(), logits)
    hard = gumbel_choice(logits, 2.0, "straight_through", generator(1))
    (found,) = torch.autograd.grad((hard * weight).sum(), logits)
    torch.testing.assert_close(hard.detach(), torch.eye(3)[soft.argmax(dim=-1)])
    torch.testing.assert_close(found, expected)


def test_choices_are_as_frequent_as_probable() -> None:
    logits = torch.tensor([1.0, 0.0, -1.0])
    chosen = gumbel_choice(logits.expand(20_000, 3), 0.5, "straight_through", generator())
    torch.testing.assert_close(chosen.mean(dim=0), logits.softmax(dim=0), atol=0.02, rtol=0)


def test_a_low_temperature_decides() -> None:
    logits = torch.zeros(50, 3)
    warm, cold = (gumbel_choice(logits, temperature, "soft", generator()) for temperature in (5.0, 0.01))
    assert warm.max() < 0.9
    assert cold.max(dim=-1).values.median() > 0.99
