"""The preference embedding: p = sum_i r_i e_i + c e_c, then ReLU layers."""

from typing import Any

import pytest
import torch
from torch import Tensor

from dymu.errors import SpecError
from dymu.networks.initialise import build
from dymu.networks.preference_embedding import HypernetConfig, PreferenceTrunk

SIZE = HypernetConfig(embedding_dim=4, hidden_dim=6)


def make(*, num_hidden: int = 2, use_resource: bool = True) -> PreferenceTrunk:
    generator = torch.Generator().manual_seed(0)
    trunk = build(
        lambda: PreferenceTrunk(SIZE, num_tasks=3, num_hidden=num_hidden, use_resource=use_resource),
        generator,
        caller_fills=("embeddings",),
    )
    with torch.no_grad():
        trunk.embeddings.normal_(generator=generator)
    return trunk.double()


@pytest.fixture
def preferences() -> Tensor:
    """(5, 3) on the simplex."""
    return torch.rand(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64).softmax(dim=1)


def test_the_embedding_is_the_weighted_sum_of_the_paper(preferences: Tensor) -> None:
    trunk, c = make(num_hidden=0), torch.linspace(0, 1, 5).double()
    for p in range(5):
        expected = c[p] * trunk.embeddings[3]
        for i in range(3):
            expected = expected + preferences[p, i] * trunk.embeddings[i]
        torch.testing.assert_close(trunk(preferences, c)[p], expected)


def test_hidden_layers_are_linear_and_relu(preferences: Tensor) -> None:
    trunk, c = make(), torch.zeros(5).double()
    out = preferences @ trunk.embeddings[:3]
    for layer in trunk.hidden:
        out = layer(out).clamp(min=0)
    torch.testing.assert_close(trunk(preferences, c), out)
    assert trunk(preferences, c).shape == (5, 6)


def test_the_resource_preference_matters(preferences: Tensor) -> None:
    trunk = make()
    zero, one = trunk(preferences, torch.zeros(5).double()), trunk(preferences, torch.ones(5).double())
    assert not torch.allclose(zero, one)


def test_the_resource_preference_can_be_left_out(preferences: Tensor) -> None:
    trunk = make(use_resource=False)
    zero, one = trunk(preferences, torch.zeros(5).double()), trunk(preferences, torch.ones(5).double())
    assert torch.equal(zero, one)
    assert trunk.embeddings.shape == (3, 4)


def test_preferences_are_independent_rows(preferences: Tensor) -> None:
    trunk, c = make(), torch.linspace(0, 1, 5).double()
    torch.testing.assert_close(trunk(preferences, c)[2:3], trunk(preferences[2:3], c[2:3]))


@pytest.mark.parametrize(
    "wrong", [{"embedding_dim": 0}, {"hidden_dim": -1}, {"embedding_std": 0.0}, {"hidden_dim": 2.5}]
)
def test_a_size_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=next(iter(wrong))):
        HypernetConfig(**wrong)


def test_defaults_are_those_of_the_paper() -> None:
    assert (HypernetConfig().embedding_dim, HypernetConfig().hidden_dim) == (32, 100)
