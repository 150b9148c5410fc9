from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.forward import Adaptation
from dymu.networks.norm import Norm
from dymu.networks.weight_hypernet import num_modulated_channels
from dymu.spec.task import Task

IMAGE_SHAPE = (2, 6, 5)
TASKS = (
    Task(name="digit", kind="classification", num_outputs=4),
    Task(name="rooms", kind="segmentation", num_outputs=3),
    Task(name="depth", kind="depth", num_outputs=1),
)


@pytest.fixture(scope="session")
def tasks() -> tuple[Task, ...]:
    """A linear head and two dense ones."""
    return TASKS


@pytest.fixture(scope="session")
def make_net() -> Callable[..., AnchorNet]:
    """Anchor nets of three layers that halve, keep and double the image, in float64.

    Every number differs between streams, normalisations included, so that no node can stand in for another.
    """

    def make(
        *, skip_layer: int | None = None, num_streams: int = 3, tasks: tuple[Task, ...] = TASKS, seed: int = 0
    ) -> AnchorNet:
        backbone = SmallBackbone(
            channels=(3, 4, 4),
            resolutions=("halve", "keep", "double"),
            head_channels=3,
            skip_layer=skip_layer,
        )
        generator = torch.Generator().manual_seed(seed)
        net = single_task_nets(
            backbone, tasks, IMAGE_SHAPE, generator, num_streams=num_streams, common_initialisation=False
        )
        return shaken(net.double(), generator)

    return make


def shaken(net: AnchorNet, generator: torch.Generator) -> AnchorNet:
    """Normalisations with scales, shifts and running statistics as after some training."""
    with torch.no_grad():
        for norm in (module for module in net.modules() if isinstance(module, Norm)):
            assert norm.weight is not None
            assert norm.bias is not None
            norm.weight.uniform_(0.5, 1.5, generator=generator)
            norm.bias.normal_(0, 0.3, generator=generator)
            norm.running_mean.normal_(0, 0.3, generator=generator)
            norm.running_var.uniform_(0.5, 2.0, generator=generator)
    return net


@pytest.fixture
def images() -> Tensor:
    """(5, 2, 6, 5) float64."""
    return torch.randn(5, *IMAGE_SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture(scope="session")
def make_trees() -> Callable[..., Tensor]:
    """Random trees (P, L, N)."""

    def make(count: int, *, layers: int = 3, tasks: int = 3, seed: int = 0) -> Tensor:
        return torch.randint(tasks, (count, layers, tasks), generator=torch.Generator().manual_seed(seed))

    return make


@pytest.fixture(scope="session")
def make_adaptation() -> Callable[..., Adaptation]:
    """Random perturbations of a net for P preferences."""

    def make(net: AnchorNet, count: int, *, seed: int = 5) -> Adaptation:
        generator = torch.Generator().manual_seed(seed)
        shape = (2, count, num_modulated_channels(net))
        scale, shift = 0.3 * torch.randn(shape, generator=generator, dtype=torch.float64)
        return Adaptation(scale, shift)

    return make
