"""The small backbone: shapes, residual connections, heads, and what its config refuses."""

from typing import Any

import pytest
import torch
from torch import nn

from dymu.errors import SpecError
from dymu.networks.backbones.protocol import Block, Head, Shape
from dymu.networks.backbones.small import DenseHead, LinearHead, SmallBackbone, SmallBlock
from dymu.networks.initialise import build
from dymu.networks.norm import NormCall
from dymu.spec.task import Task

DIGIT = Task(name="digit", kind="classification", num_outputs=10)
DENSE = [
    Task(name="rooms", kind="segmentation", num_outputs=5),
    Task(name="normals", kind="normals", num_outputs=3),
    Task(name="depth", kind="depth", num_outputs=1),
]


def block(backbone: SmallBackbone, layer: int, in_shape: Shape) -> Block:
    return build(lambda: backbone.block(layer, in_shape), torch.Generator().manual_seed(0))


def head(backbone: SmallBackbone, task: Task, in_shape: Shape, skip_shape: Shape | None = None) -> Head:
    return build(
        lambda: backbone.head(task, in_shape, skip_shape, (1, 9, 7)), torch.Generator().manual_seed(0)
    )


@pytest.mark.parametrize(("resolution", "size"), [("keep", (7, 5)), ("halve", (4, 3)), ("double", (14, 10))])
def test_a_block_gives_the_shape_that_it_declares(resolution: Any, size: tuple[int, int]) -> None:
    made = block(SmallBackbone(channels=(4,), resolutions=(resolution,)), 0, (3, 7, 5))
    out = made(torch.randn(2, 6, 3, 7, 5, generator=torch.Generator().manual_seed(1)), NormCall())
    assert made.out_shape == (4, *size)
    assert out.shape == (2, 6, 4, *size)
    assert (out >= 0).all()


def test_a_block_that_keeps_its_shape_is_residual() -> None:
    kept = block(SmallBackbone(channels=(3,), resolutions=("keep",)), 0, (3, 4, 4))
    assert isinstance(kept, SmallBlock)
    assert kept.norm2.weight is not None
    with torch.no_grad():
        kept.norm2.weight.zero_()
    inputs = torch.rand(2, 1, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(kept(inputs, NormCall()), inputs)


@pytest.mark.parametrize(("channels", "resolution"), [(4, "keep"), (3, "halve"), (3, "double")])
def test_a_block_that_changes_its_shape_is_not(channels: int, resolution: Any) -> None:
    made = block(SmallBackbone(channels=(channels,), resolutions=(resolution,)), 0, (3, 4, 4))
    assert isinstance(made, SmallBlock)
    assert made.norm2.weight is not None
    with torch.no_grad():
        made.norm2.weight.zero_()
    assert not made(torch.rand(2, 1, 3, 4, 4, generator=torch.Generator()), NormCall()).any()


def test_the_last_normalisation_may_have_no_scale_and_shift() -> None:
    with_affine = block(SmallBackbone(channels=(4,), resolutions=("keep",)), 0, (3, 4, 4))
    without = block(SmallBackbone(channels=(4,), resolutions=("keep",), final_affine=False), 0, (3, 4, 4))
    assert with_affine.num_modulated() == 8
    assert without.num_modulated() == 4
    assert with_affine.num_parameters() - without.num_parameters() == 8


def test_the_default_has_about_forty_thousand_parameters_a_stream() -> None:
    backbone, shape, total = SmallBackbone(), (1, 14, 14), 0
    for layer in range(backbone.num_layers):
        made = block(backbone, layer, shape)
        shape, total = made.out_shape, total + made.num_parameters()
    assert backbone.num_layers == 5
    assert 35_000 < total < 45_000


def test_a_classifier_is_linear_in_all_features() -> None:
    made = head(SmallBackbone(), DIGIT, (2, 3, 3))
    assert isinstance(made, LinearHead)
    inputs = torch.randn(4, 5, 2, 3, 3, generator=torch.Generator().manual_seed(1))
    out = made(inputs, None, NormCall())
    assert out.shape == (4, 5, 10)
    torch.testing.assert_close(out[:, 2], nn.functional.linear(inputs[:, 2].flatten(1), made.linear.weight))


@pytest.mark.parametrize("task", DENSE, ids=lambda task: task.kind)
@pytest.mark.parametrize("skip_shape", [None, (3, 5, 4)])
def test_a_dense_head_predicts_at_image_size(task: Task, skip_shape: Shape | None) -> None:
    made = head(SmallBackbone(), task, (2, 3, 2), skip_shape)
    assert isinstance(made, DenseHead)
    inputs = torch.randn(4, 6, 2, 3, 2, generator=torch.Generator().manual_seed(1))
    skip = None if skip_shape is None else torch.ones(4, 6, *skip_shape)
    assert made(inputs, skip, NormCall()).shape == (4, 6, task.num_outputs, 9, 7)


def test_a_dense_head_reads_both_features_and_skip() -> None:
    made = head(SmallBackbone(), DENSE[0], (2, 3, 2), (3, 5, 4))
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(2, 1, 2, 3, 2, generator=generator).requires_grad_()
    skip = torch.randn(2, 1, 3, 5, 4, generator=generator).requires_grad_()
    made(inputs, skip, NormCall()).square().sum().backward()
    assert inputs.grad is not None
    assert skip.grad is not None
    assert inputs.grad.any()
    assert skip.grad.any()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"channels": (), "resolutions": ()}, "channels"),
        ({"channels": (4, 0), "resolutions": ("keep", "keep")}, "channels"),
        ({"channels": (4, 4), "resolutions": ("keep",)}, "resolutions"),
        ({"channels": (4,), "resolutions": ("third",)}, "resolutions"),
        ({"head_channels": 0}, "head_channels"),
        ({"skip_layer": 5}, "skip_layer"),
        ({"skip_layer": -1}, "skip_layer"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecError, match=f"SmallBackbone.{field}"):
        SmallBackbone(**wrong)
