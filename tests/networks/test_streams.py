"""Streams of a layer, one after another or together: the same numbers, and no gradient for frozen weights."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.mobilenet_v2 import MobileNetV2
from dymu.networks.backbones.protocol import Backbone, Block
from dymu.networks.backbones.resnet9 import ResNet9
from dymu.networks.backbones.resnet34 import ResNet34
from dymu.networks.forward import soft_forward
from dymu.networks.norm import Norm, NormCall, NormMode, convolve
from dymu.networks.streams import FASTEST, Runner, fastest, grouped, loop, vmap
from dymu.spec.task import Task, TaskKind

TOGETHER: dict[str, Runner] = {"vmap": vmap, "grouped": grouped}
EVERY: dict[str, Runner] = {"loop": loop} | TOGETHER
MODES: list[NormMode] = ["batch", "running"]
IN_SHAPES = [(2, 6, 5), (3, 3, 3), (4, 3, 3)]  # of the layers of the nets in conftest.py

MakeNet = Callable[..., AnchorNet]


@pytest.fixture(params=TOGETHER)
def together(request: pytest.FixtureRequest) -> Runner:
    return TOGETHER[request.param]


@pytest.fixture
def net(make_net: MakeNet) -> AnchorNet:
    frozen: AnchorNet = make_net().requires_grad_(False)
    return frozen


def blocks_of(net: AnchorNet, layer: int) -> list[Block]:
    return [net.block(layer, stream) for stream in range(net.num_streams)]


def inputs_of(layer: int, *, size_P: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(layer)
    shape = (4, size_P, *IN_SHAPES[layer])
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3)]


def calls(mode: NormMode = "batch") -> list[NormCall]:
    return [NormCall(mode) for _ in range(3)]


def assert_same(found: Sequence[Tensor | None], expected: Sequence[Tensor | None]) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


def test_the_loop_is_each_block_by_itself(net: AnchorNet) -> None:
    blocks, inputs = blocks_of(net, 1), inputs_of(1)
    for stream, out in enumerate(loop(blocks, inputs, calls())):
        assert torch.equal(out, blocks[stream](inputs[stream], NormCall("batch")))


@pytest.mark.parametrize("layer", [0, 1, 2], ids=["stride", "residual", "upsampling"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size_P", [1, 3])
def test_streams_together_give_what_each_gives_alone(
    together: Runner, net: AnchorNet, layer: int, mode: NormMode, size_P: int
) -> None:
    blocks, inputs = blocks_of(net, layer), inputs_of(layer, size_P=size_P)
    assert_same(together(blocks, inputs, calls(mode)), loop(blocks, inputs, calls(mode)))


def test_some_streams_are_streams_too(together: Runner, net: AnchorNet) -> None:
    blocks, inputs = blocks_of(net, 1)[1:], inputs_of(1)[1:]
    assert_same(together(blocks, inputs, calls()[1:]), loop(blocks, inputs, calls()[1:]))


def test_all_streams_may_read_one_tensor(together: Runner, net: AnchorNet) -> None:
    image = [inputs_of(0, size_P=1)[0]] * 3
    assert_same(together(blocks_of(net, 0), image, calls()), loop(blocks_of(net, 0), image, calls()))


def test_gradients_of_the_inputs_are_the_same(together: Runner, net: AnchorNet) -> None:
    def gradients(run: Runner) -> list[Tensor]:
        inputs = [features.requires_grad_() for features in inputs_of(1)]
        out = run(blocks_of(net, 1), inputs, calls())
        objective = sum((k + 1) * part.square().mean() for k, part in enumerate(out))
        assert isinstance(objective, Tensor)
        return list(torch.autograd.grad(objective, inputs))

    expected = gradients(loop)
    assert all(bool(gradient.any()) for gradient in expected)
    assert_same(gradients(together), expected)


@pytest.mark.parametrize("own_images", [False, True])
@pytest.mark.parametrize("skip_layer", [None, 0])
def test_a_mixed_net_and_the_gradients_of_its_probabilities_are_the_same(
    together: Runner, make_net: MakeNet, images: Tensor, skip_layer: int | None, own_images: bool
) -> None:
    net = make_net(skip_layer=skip_layer).requires_grad_(False)
    given = torch.stack([images, images.flip(0) + 1, images.square()], dim=1) if own_images else images

    def results(run: Runner) -> tuple[list[Tensor], Tensor]:
        generator = torch.Generator().manual_seed(7)
        logits = torch.randn(2, 3, 3, 3, generator=generator, dtype=torch.float64, requires_grad=True)
        predictions = soft_forward(net, given, logits.softmax(dim=-1), runner=run)
        objective = sum((k + 1) * part.square().mean() for k, part in enumerate(predictions))
        assert isinstance(objective, Tensor)
        (gradient,) = torch.autograd.grad(objective, logits)
        return predictions, gradient

    (expected, expected_gradient), (found, gradient) = results(loop), results(together)
    assert bool(expected_gradient.any(dim=-1).all())
    assert_same([*found, gradient], [*expected, expected_gradient])


@pytest.mark.parametrize("run", EVERY.values(), ids=EVERY)
def test_layer_0_runs_once_for_all_preferences(
    run: Runner, net: AnchorNet, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def counting(
        blocks: Sequence[Block], inputs: Sequence[Tensor], given: Sequence[NormCall]
    ) -> list[Tensor]:
        seen.append(inputs[0].shape[1])
        return run(blocks, inputs, given)

    probabilities = torch.full((4, 3, 3, 3), 1 / 3, dtype=torch.float64)
    monkeypatch.setitem(FASTEST, "cpu", counting)
    soft_forward(net, images, probabilities)
    assert seen == [1, 4, 4]


class _Backward(TorchDispatchMode):
    """Notes which gradients each backward pass of a convolution is asked for: input, weight, bias."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.asked: list[tuple[bool, ...]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.aten.convolution_backward.default:
            self.asked.append(tuple(args[-1]))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("run", EVERY.values(), ids=EVERY)
def test_no_gradient_of_a_frozen_weight_is_computed(run: Runner, net: AnchorNet) -> None:
    inputs = [features.requires_grad_() for features in inputs_of(1)]
    out = run(blocks_of(net, 1), inputs, calls())
    with _Backward() as seen:
        torch.stack(out).square().mean().backward()
    assert seen.asked
    assert set(seen.asked) == {(True, False, False)}


def test_gradients_of_trained_weights_are_seen_by_that_check(make_net: MakeNet) -> None:
    net, inputs = make_net(), [features.requires_grad_() for features in inputs_of(1)]
    out = loop(blocks_of(net, 1), inputs, calls())
    with _Backward() as seen:
        torch.stack(out).square().mean().backward()
    assert (True, True, False) in seen.asked


def test_a_change_of_the_weights_is_seen_by_the_next_call(together: Runner, net: AnchorNet) -> None:
    blocks, inputs = blocks_of(net, 1), inputs_of(1)
    before = together(blocks, inputs, calls())
    with torch.no_grad():
        next(blocks[2].parameters()).mul_(-1)
    after = together(blocks, inputs, calls())
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[2], after[2])
    assert_same(after, loop(blocks, inputs, calls()))


def test_trained_streams_are_refused(together: Runner, make_net: MakeNet) -> None:
    with pytest.raises(SpecError, match="SmallBlock is trained; streams run together only frozen"):
        together(blocks_of(make_net(), 1), inputs_of(1), calls())


@pytest.mark.parametrize("mode", ["train", "collect", "replay"])
def test_modes_that_write_or_remember_are_refused(together: Runner, net: AnchorNet, mode: NormMode) -> None:
    with pytest.raises(SpecError, match=f"mode '{mode}'.*expected 'batch' or 'running'"):
        together(blocks_of(net, 1), inputs_of(1), calls(mode))


def test_modes_that_differ_are_refused(together: Runner, net: AnchorNet) -> None:
    mixed = [*calls()[:2], NormCall("running")]
    with pytest.raises(SpecError, match="mode 'running' beside 'batch'"):
        together(blocks_of(net, 1), inputs_of(1), mixed)


def test_adapted_streams_are_refused(together: Runner, net: AnchorNet) -> None:
    adapted = [replace(call, scale_PD=torch.zeros(2, 8)) for call in calls()]
    with pytest.raises(SpecError, match=r"adapted to a preference run by streams\.loop"):
        together(blocks_of(net, 1), inputs_of(1), adapted)


def test_blocks_of_different_structure_are_refused(together: Runner, net: AnchorNet) -> None:
    with pytest.raises(SpecError, match="differ in structure"):
        together([net.block(1, 0), net.block(1, 1), net.block(0, 2)], inputs_of(1), calls())


def test_inputs_of_different_shapes_are_refused(together: Runner, net: AnchorNet) -> None:
    inputs = [*inputs_of(1, size_P=2)[:2], inputs_of(1, size_P=1)[2]]
    with pytest.raises(SpecError, match=r"shapes .*; expected one"):
        together(blocks_of(net, 1), inputs, calls())


class _Ranks:
    """Two ranks, as far as anybody asks."""

    size = 2

    def gather(self, tensor: Tensor) -> Tensor:
        return torch.stack([tensor, tensor])


def test_vmap_refuses_batches_that_lie_on_several_ranks(net: AnchorNet) -> None:
    ranks = _Ranks()
    with pytest.raises(SpecError, match=r"several ranks need streams\.loop"):
        vmap(blocks_of(net, 1), inputs_of(1), [replace(call, peers=ranks) for call in calls()])


def test_grouped_streams_share_statistics_with_other_ranks(net: AnchorNet) -> None:
    ranks = _Ranks()
    together = [replace(call, peers=ranks) for call in calls()]
    blocks, inputs = blocks_of(net, 1), inputs_of(1)
    assert_same(grouped(blocks, inputs, together), loop(blocks, inputs, together))


@pytest.mark.parametrize(
    ("backbone", "kind"),
    [
        (ResNet9(width=2, pooling="after_relu"), "classification"),
        (ResNet9(width=2, pooling="before_norm"), "classification"),
        (MobileNetV2(), "segmentation"),
        (MobileNetV2(stems="per_stream", output_stride=32), "segmentation"),
        (ResNet34(), "segmentation"),
    ],
    ids=["resnet9", "resnet9-before-norm", "mobilenet", "mobilenet-own-stems", "resnet34"],
)
def test_all_layers_of_the_papers_backbones_run_together(backbone: Backbone, kind: TaskKind) -> None:
    generator = torch.Generator().manual_seed(0)
    net = single_task_nets(
        backbone,
        (Task(name="task", kind=kind, num_outputs=2),),
        (3, 32, 32),
        generator,
        num_streams=2,
        common_initialisation=False,
    )
    net = net.double().requires_grad_(False)
    image = torch.randn(2, 2, 3, 32, 32, generator=generator, dtype=torch.float64)
    inputs = [net.entry(image)] * 2
    for layer in range(net.num_layers):
        expected = loop(blocks_of(net, layer), inputs, calls()[:2])
        for run in TOGETHER.values():
            found = run(blocks_of(net, layer), inputs, calls()[:2])
            for one, other in zip(found, expected, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-8)
        inputs = expected


class _Toy(Block):
    """Something around a convolution and a normalisation."""

    def __init__(self, forward: Callable[[Tensor], Tensor], layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.norm, self.around = layer, Norm(4), forward
        self.out_shape = (4, 3, 3)

    def forward(self, features_BPCHW: Tensor, call: NormCall) -> Tensor:
        out: Tensor = self.norm(self.layer_of(features_BPCHW), call)
        return self.around(out)

    def layer_of(self, features_BPCHW: Tensor) -> Tensor:
        if isinstance(self.layer, nn.Conv2d):
            return convolve(self.layer, features_BPCHW)
        out: Tensor = self.layer(features_BPCHW.movedim(2, -1)).movedim(-1, 2)
        return out


def toys(forward: Callable[[Tensor], Tensor], make: Callable[[], nn.Module]) -> Iterator[Block]:
    generator = torch.Generator().manual_seed(3)
    for _ in range(3):
        with torch.device("meta"):
            block = _Toy(forward, make())
        block = block.to_empty(device="cpu").double().requires_grad_(False)
        for tensor in block.state_dict().values():
            tensor.uniform_(0.5, 1.5, generator=generator)
        yield block


def test_depthwise_convolutions_with_bias_are_grouped(together: Runner) -> None:
    blocks = list(
        toys(functional.relu6, lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4, padding_mode="circular"))
    )
    assert_same(together(blocks, inputs_of(2), calls()), loop(blocks, inputs_of(2), calls()))


def gate(features: Tensor) -> Tensor:
    return features * features.mean(dim=(-2, -1), keepdim=True).sigmoid()


def test_a_gate_of_pooled_features_is_grouped(together: Runner) -> None:
    blocks = list(
        toys(lambda x: x * x.mean(dim=(-2, -1), keepdim=True).sigmoid(), lambda: nn.Conv2d(4, 4, 1))
    )
    assert_same(together(blocks, inputs_of(2), calls()), loop(blocks, inputs_of(2), calls()))


@pytest.mark.parametrize(
    "mixing",
    [
        lambda x: x.softmax(dim=2),
        lambda x: x.flip(2),
        lambda x: torch.cat([x, -x], dim=2),
        lambda x: x[:, :, 1:],
    ],
    ids=["softmax", "flip", "concatenation", "slice"],
)
def test_channels_may_be_mixed_in_any_way(together: Runner, mixing: Callable[[Tensor], Tensor]) -> None:
    blocks = list(toys(mixing, lambda: nn.Conv2d(4, 4, 1)))
    assert_same(together(blocks, inputs_of(2), calls()), loop(blocks, inputs_of(2), calls()))


def test_linear_layers_are_not_grouped() -> None:
    blocks = list(toys(functional.relu, lambda: nn.Linear(4, 4)))
    with pytest.raises(SpecError, match="_Toy has weights in Linear"):
        grouped(blocks, inputs_of(2), calls())
    assert_same(vmap(blocks, inputs_of(2), calls()), loop(blocks, inputs_of(2), calls()))


def test_the_default_is_what_was_measured_and_the_loop_elsewhere() -> None:
    assert fastest(torch.device("cpu")) is FASTEST["cpu"] is loop
    assert fastest(torch.device("cuda:1")) is FASTEST["cuda"]
    assert fastest(torch.device("meta")) is loop
