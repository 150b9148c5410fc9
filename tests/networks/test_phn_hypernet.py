"""PHN's hypernet: sizes as printed in the paper, and every weight of the net from it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.backbones.resnet9 import ResNet9
from dymu.networks.backbones.resnet34 import ResNet34
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.phn_hypernet import (
    PHNHypernet,
    PHNHypernetConfig,
    generated_forward,
    make_phn_hypernet,
    named_weights,
)
from dymu.networks.tree import shared_stream
from dymu.spec.task import Task

MakeNet = Callable[..., AnchorNet]

SIZE = PHNHypernetConfig(embedding_dim=3, chunk_dim=5, hidden_dim=7, num_matrices=2, matrix_weights=60)


@pytest.fixture
def net(make_net: MakeNet) -> AnchorNet:
    return make_net(num_streams=1)


@pytest.fixture
def hypernet(net: AnchorNet) -> PHNHypernet:
    return make_phn_hypernet(SIZE, net, torch.Generator().manual_seed(2)).double()


@pytest.fixture
def preference() -> Tensor:
    return torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)


def size_of(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def control_parameters(size: PHNHypernetConfig, *, num_tasks: int, num_weights: int) -> int:
    with torch.device("meta"):
        return size_of(PHNHypernet(size, num_tasks=num_tasks, num_weights=num_weights))


def resnet9_weights(num_heads: int) -> int:
    tasks = tuple(Task(name=f"t{n}", kind="classification", num_outputs=5) for n in range(num_heads))
    with torch.device("meta"):
        return AnchorNet(ResNet9(width=64), tasks, (3, 32, 32), num_streams=1).num_parameters()


@pytest.mark.parametrize(("num_heads", "expected"), [(1, 11_034_380), (20, 11_034_444)])
def test_control_parameters_of_cifar_100_are_the_papers_11_03_million(num_heads: int, expected: int) -> None:
    found = control_parameters(PHNHypernetConfig(), num_tasks=20, num_weights=resnet9_weights(num_heads))
    assert found == expected


def test_control_parameters_of_nyu_are_the_papers_21_04_million() -> None:
    tasks = (
        Task(name="segmentation", kind="segmentation", num_outputs=40),
        Task(name="normals", kind="normals", num_outputs=3),
        Task(name="depth", kind="depth", num_outputs=1),
    )
    with torch.device("meta"):
        net = AnchorNet(ResNet34(), tasks, (3, 448, 576), num_streams=1)
    assert net.stem is not None
    generated = net.num_parameters() - net.stem.num_parameters()
    size = PHNHypernetConfig(num_matrices=21)
    assert control_parameters(size, num_tasks=3, num_weights=generated) == 21_036_588


def test_a_weight_is_a_row_of_a_matrix_times_the_features_of_its_chunk(
    hypernet: PHNHypernet, preference: Tensor
) -> None:
    found = hypernet(preference)
    assert found.shape == (hypernet.num_weights,)
    first, second, third = hypernet.hidden
    per_chunk = SIZE.num_matrices * SIZE.matrix_weights
    for place in (0, 1, 59, 60, 119, 120, 130, hypernet.num_weights - 1):
        mixture = sum(share * row for share, row in zip(preference, hypernet.embeddings, strict=True))
        assert isinstance(mixture, Tensor)
        features = torch.cat([mixture, hypernet.chunks[place // per_chunk]])
        features = third(second(first(features).relu()).relu())
        torch.testing.assert_close(found[place], features @ hypernet.matrices[place % per_chunk])


def test_chunks_are_just_enough(hypernet: PHNHypernet) -> None:
    per_chunk = SIZE.num_matrices * SIZE.matrix_weights
    assert (len(hypernet.chunks) - 1) * per_chunk < hypernet.num_weights <= len(hypernet.chunks) * per_chunk
    assert control_parameters(SIZE, num_tasks=3, num_weights=120) + SIZE.chunk_dim == control_parameters(
        SIZE, num_tasks=3, num_weights=121
    )


def test_every_parameter_of_the_net_is_generated_once(
    net: AnchorNet, hypernet: PHNHypernet, preference: Tensor
) -> None:
    output = hypernet(preference)
    weights = named_weights(net, output)
    assert {name: tuple(weight.shape) for name, weight in weights.items()} == {
        name: tuple(parameter.shape) for name, parameter in net.named_parameters()
    }
    assert torch.equal(torch.cat([weight.flatten() for weight in weights.values()]), output)
    assert hypernet.num_weights == net.num_parameters()


def test_the_generated_net_is_the_net_with_these_weights(
    net: AnchorNet, make_net: MakeNet, hypernet: PHNHypernet, preference: Tensor, images: Tensor
) -> None:
    weights = named_weights(net, hypernet(preference))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    found = generated_forward(net, weights, images, Conditions("batch"))
    filled = make_net(num_streams=1, seed=4)
    filled.load_state_dict({**filled.state_dict(), **weights})
    expected = tree_forward(filled, images, shared_stream(3, 3), Conditions("batch"))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_gradients_reach_all_of_the_hypernet_and_none_of_the_net(
    net: AnchorNet, hypernet: PHNHypernet, preference: Tensor, images: Tensor
) -> None:
    weights = named_weights(net, hypernet(preference))
    predictions = generated_forward(net, weights, images, Conditions("batch"))
    total = sum(part.square().sum() for part in predictions)
    assert isinstance(total, Tensor)
    total.backward()
    assert all(bool(weight.any()) for weight in (p.grad for p in hypernet.parameters()) if weight is not None)
    assert all(parameter.grad is not None for parameter in hypernet.parameters())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_preferences_give_different_nets(hypernet: PHNHypernet, preference: Tensor) -> None:
    assert not torch.allclose(hypernet(preference), hypernet(preference.flip(0)))


def test_the_start_follows_the_generator_alone(net: AnchorNet, make_net: MakeNet) -> None:
    one, same, other = (
        make_phn_hypernet(SIZE, given, torch.Generator().manual_seed(seed))
        for given, seed in ((net, 1), (make_net(num_streams=1, seed=9), 1), (net, 2))
    )
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.matrices, other.matrices)
    assert one.chunks.std().item() == pytest.approx(0.1, rel=0.3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"embedding_dim": 0},
        {"chunk_dim": 0},
        {"hidden_dim": 0},
        {"num_matrices": 0},
        {"matrix_weights": 0},
        {"initial_std": 0.0},
    ],
    ids=str,
)
def test_sizes_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=rf"PHNHypernetConfig\.{next(iter(wrong))} is 0.*a positive number"):
        PHNHypernetConfig(**wrong)
