"""Building modules: numbers from the generator alone, and global generators left alone."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from dymu.networks.anchor_net import single_task_nets
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.edge_hypernet import make_edge_hypernet
from dymu.networks.initialise import OutputConvolution, build
from dymu.networks.norm import Norm
from dymu.networks.preference_embedding import HypernetConfig
from dymu.networks.weight_hypernet import make_weight_hypernet
from dymu.spec.task import Task

TASKS = tuple(Task(name=name, kind="classification", num_outputs=3) for name in ("a", "b", "c"))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_all() -> None:
    """An anchor net and both hypernets."""
    backbone = SmallBackbone(channels=(2, 2), resolutions=("keep", "keep"))
    net = single_task_nets(backbone, TASKS, (1, 4, 4), generator())
    make_edge_hypernet(HypernetConfig(), generator(), num_tasks=3, num_layers=2)
    make_weight_hypernet(HypernetConfig(), net, generator())


def test_torchs_global_generator_is_untouched() -> None:
    before = torch.get_rng_state()
    make_all()
    assert torch.equal(torch.get_rng_state(), before)


def test_numpys_global_generator_is_untouched() -> None:
    before = np.random.get_state(legacy=False)  # noqa: NPY002 - it is the global one that is watched
    make_all()
    np.testing.assert_equal(np.random.get_state(legacy=False), before)  # noqa: NPY002


def test_the_global_generators_do_not_matter() -> None:
    def weights() -> torch.Tensor:
        return build(lambda: nn.Linear(5, 5), generator()).weight

    first = weights()
    torch.rand(7)
    assert torch.equal(weights(), first)


@pytest.mark.parametrize(
    ("make", "deviation"),
    [
        (lambda: nn.Conv2d(16, 64, 3), math.sqrt(2 / (64 * 9))),
        (lambda: nn.Conv2d(64, 64, 3, groups=4), math.sqrt(2 / (16 * 9))),
        (lambda: OutputConvolution(2048, 8, 1), 0.01),
        (lambda: nn.Linear(200, 50), math.sqrt(2 / 200)),
    ],
    ids=[
        "convolution by fan-out",
        "grouped convolution by fan-out",
        "small outputs",
        "linear layer by fan-in",
    ],
)
def test_weights_have_their_deviation(make: Callable[[], nn.Conv2d | nn.Linear], deviation: float) -> None:
    weight = build(make, generator()).weight
    assert weight.std().item() == pytest.approx(deviation, rel=0.05)
    assert weight.mean().item() == pytest.approx(0, abs=0.1 * deviation)


@pytest.mark.parametrize("make", [lambda: nn.Conv2d(2, 3, 1), lambda: nn.Linear(2, 3)])
def test_biases_start_at_zero(make: Callable[[], nn.Conv2d | nn.Linear]) -> None:
    bias = build(make, generator()).bias
    assert bias is not None
    assert not bias.any()


def test_normalisations_start_as_the_identity() -> None:
    norm = build(lambda: Norm(3), generator())
    assert norm.weight is not None
    assert norm.bias is not None
    assert norm.weight.tolist() == norm.running_var.tolist() == [1.0] * 3
    assert norm.bias.tolist() == norm.running_mean.tolist() == [0.0] * 3


def test_modules_are_on_the_cpu_and_train() -> None:
    module = build(lambda: nn.Sequential(nn.Conv2d(1, 1, 1), Norm(1)), generator())
    assert all(tensor.device.type == "cpu" for tensor in module.state_dict().values())
    assert all(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: nn.Sequential(nn.Linear(1, 1), nn.PReLU()), "Sequential.1.weight"),
        (lambda: nn.BatchNorm2d(2), "BatchNorm2d.weight"),
        (lambda: nn.BatchNorm2d(2, affine=False, momentum=None), "BatchNorm2d.running_mean"),
    ],
)
def test_a_kind_of_layer_that_nothing_fills_is_refused(make: Callable[[], nn.Module], name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} is not initialised"):
        build(make, generator())


def test_a_constant_that_construction_wrote_and_that_would_be_lost_is_refused() -> None:
    class Counting(nn.Module):
        steps: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("steps", torch.arange(4), persistent=False)

    with pytest.raises(TypeError, match=r"Counting.steps is not initialised"):
        build(Counting, generator())


def test_what_the_caller_fills_is_no_number_until_then() -> None:
    module = build(lambda: nn.PReLU(), generator(), caller_fills=("weight",))
    assert module.weight.isnan().all()
