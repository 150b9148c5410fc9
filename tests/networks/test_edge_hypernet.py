"""The edge hypernet: its size in the paper's settings, its form, its initialisation."""

import pytest
import torch

from dymu.networks.edge_hypernet import EdgeHypernet, make_edge_hypernet
from dymu.networks.preference_embedding import HypernetConfig

# Tasks, layers and parameters of PASCAL-5, PASCAL-3, NYU-3 and CIFAR-20 (Tables 1 to 4, in millions).
PAPER = [(5, 18, 59_042), (3, 18, 29_890), (3, 17, 28_981), (20, 8, 337_272)]


def make(num_tasks: int = 3, num_layers: int = 4, *, seed: int = 0) -> EdgeHypernet:
    generator = torch.Generator().manual_seed(seed)
    return make_edge_hypernet(HypernetConfig(), generator, num_tasks=num_tasks, num_layers=num_layers)


@pytest.mark.parametrize(("num_tasks", "num_layers", "expected"), PAPER)
def test_it_has_the_papers_size(num_tasks: int, num_layers: int, expected: int) -> None:
    found = sum(parameter.numel() for parameter in make(num_tasks, num_layers).parameters())
    assert found == expected
    assert found == 32 * (num_tasks + 1) + 3_300 + 10_100 + num_layers * 101 * num_tasks**2


def test_it_gives_logits_for_every_choice() -> None:
    out = make()(torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]), torch.tensor([0.0, 1.0]))
    assert out.shape == (2, 4, 3, 3)
    assert out.requires_grad


def test_task_and_resource_preference_both_enter() -> None:
    hypernet = make()
    out = hypernet(
        torch.tensor([[0.2, 0.8, 0.0], [0.8, 0.2, 0.0], [0.2, 0.8, 0.0]]), torch.tensor([0.0, 0.0, 1.0])
    )
    assert not torch.allclose(out[0], out[1])
    assert not torch.allclose(out[0], out[2])


def test_the_generator_decides_all_numbers() -> None:
    one, same, other = make(seed=1).state_dict(), make(seed=1).state_dict(), make(seed=2).state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["trunk.embeddings"], other["trunk.embeddings"])
    assert not torch.equal(one["heads.weight"], other["heads.weight"])


def test_embeddings_start_with_the_configured_deviation() -> None:
    size = HypernetConfig(embedding_dim=500, embedding_std=0.25)
    hypernet = make_edge_hypernet(size, torch.Generator().manual_seed(0), num_tasks=3, num_layers=1)
    assert hypernet.trunk.embeddings.std().item() == pytest.approx(0.25, rel=0.05)
    assert hypernet.trunk.embeddings.mean().item() == pytest.approx(0, abs=0.02)
