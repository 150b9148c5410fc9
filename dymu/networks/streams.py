"""One layer of several streams, each on its own input: three implementations of one seam.

* :func:`loop` runs block after block. It works for everything, trained streams and adaptation included.
* :func:`vmap` stacks the weights of the blocks and runs their code once.
* :func:`grouped` lays the streams side by side, as if they were preferences: every convolution of the layer
  becomes one grouped convolution, every normalisation one wide normalisation.

The last two are for frozen streams of one structure, as in the edge stage. They copy the layer's weights in
each call, so nothing is remembered that a change of the weights could make wrong. Which one is used by
default is :data:`FASTEST`; ``python benchmarks/streams.py`` measures it.
"""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dymu.errors import SpecError
from dymu.networks.backbones.protocol import Block
from dymu.networks.norm import Norm, NormCall

# Blocks of one layer, the input (B, P, C, H, W) of each, and how each one's normalisations behave.
Runner = Callable[[Sequence[Block], Sequence[Tensor], Sequence[NormCall]], list[Tensor]]


def loop(blocks: Sequence[Block], inputs: Sequence[Tensor], calls: Sequence[NormCall]) -> list[Tensor]:
    """Outputs (B, P, C', H', W') of the blocks, one after another."""
    return [block(features, call) for block, features, call in zip(blocks, inputs, calls, strict=True)]


def vmap(blocks: Sequence[Block], inputs: Sequence[Tensor], calls: Sequence[NormCall]) -> list[Tensor]:
    """As :func:`loop`, by one vectorised call; inputs that are one and the same tensor are not copied.

    Raises:
        SpecError: For blocks or calls that cannot be stacked.
    """
    call = _common_call(calls)
    _check_frozen_and_alike(blocks, inputs)
    if call.peers is not None and call.peers.size > 1:
        raise SpecError("streams.vmap normalises within one process; several ranks need streams.loop.")
    same = all(features is inputs[0] for features in inputs)
    features, in_dim = (inputs[0], None) if same else (torch.stack(list(inputs)), 0)
    states = [_state(block) for block in blocks]
    stacked = {name: torch.stack([state[name] for state in states]) for name in states[0]}

    def run(state: dict[str, Tensor], features_BPCHW: Tensor) -> Tensor:
        out: Tensor = torch.func.functional_call(blocks[0], state, (features_BPCHW, call))
        return out

    out_S: Tensor = torch.func.vmap(run, in_dims=(0, in_dim))(stacked, features)
    return list(out_S)


def grouped(blocks: Sequence[Block], inputs: Sequence[Tensor], calls: Sequence[NormCall]) -> list[Tensor]:
    """As :func:`loop`, by grouped convolutions, for blocks with weights in ``nn.Conv2d`` and ``Norm`` only.

    A block keeps preferences apart whatever it does; here S streams of P preferences are P * S of them, and
    only what has weights knows better.

    Raises:
        SpecError: For blocks or calls that cannot be laid side by side.
    """
    call = _common_call(calls)
    _check_frozen_and_alike(blocks, inputs)
    wide = _wide(blocks[0], len(blocks))
    states = [_state(block) for block in blocks]
    state = {name: torch.cat([state[name] for state in states]) for name in states[0]}
    side_by_side = torch.stack(list(inputs), dim=2).flatten(1, 2)
    out: Tensor = torch.func.functional_call(wide, state, (side_by_side, call))
    return list(out.unflatten(1, (-1, len(blocks))).unbind(2))


# By device. CPU, one thread: at N = 20, ResNet-9 of width 32, 32x32 and 16 images, grouped takes 1.4 times as
# long as the loop, vmap 1.6, im2col with bmm 3.2; at half the width on images half as large, grouped
# and vmap lie between 0.9 and 1.2. CUDA is not measured and has what needs no justification;
# `python benchmarks/streams.py --device cuda` measures it.
FASTEST: dict[str, Runner] = {"cpu": loop, "cuda": loop}


def fastest(device: torch.device) -> Runner:
    """The implementation that was measured to be fastest on a kind of device; the loop where none was."""
    return FASTEST.get(device.type, loop)


def _common_call(calls: Sequence[NormCall]) -> NormCall:
    """The one way in which all normalisations behave."""
    first = calls[0]
    for call in calls:
        if call.mode not in ("batch", "running") or call.mode != first.mode or call.peers is not first.peers:
            raise SpecError(
                f"streams run together with normalisation mode {call.mode!r} beside {first.mode!r}; expected "
                "'batch' or 'running' for all of them. Use streams.loop."
            )
        if call.scale_PD is not None or call.shift_PD is not None:
            raise SpecError("streams that are adapted to a preference run by streams.loop only.")
    return NormCall(first.mode, peers=first.peers)


def _check_frozen_and_alike(blocks: Sequence[Block], inputs: Sequence[Tensor]) -> None:
    shapes = {name: tensor.shape for name, tensor in _state(blocks[0]).items()}
    for block in blocks:
        name = type(block).__name__
        if any(parameter.requires_grad for parameter in block.parameters()):
            raise SpecError(f"{name} is trained; streams run together only frozen. Use streams.loop.")
        if repr(block) != repr(blocks[0]) or {k: v.shape for k, v in _state(block).items()} != shapes:
            raise SpecError(f"{name}s of one layer differ in structure; use streams.loop.")
    if len({features.shape for features in inputs}) > 1:
        raise SpecError(
            f"inputs of streams that run together have shapes {[tuple(x.shape) for x in inputs]}; expected "
            "one. Use streams.loop."
        )


def _state(block: Block) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in block.state_dict(keep_vars=True).items()}


class _WideConv(nn.Conv2d):
    """The convolutions of several streams as one grouped one, without weights of its own."""

    def __init__(self, conv: nn.Conv2d, count: int) -> None:
        super().__init__(
            conv.in_channels * count,
            conv.out_channels * count,
            conv.kernel_size,  # type: ignore[arg-type]
            conv.stride,  # type: ignore[arg-type]
            conv.padding,  # type: ignore[arg-type]
            conv.dilation,  # type: ignore[arg-type]
            conv.groups * count,
            conv.bias is not None,
            conv.padding_mode,
            device="meta",
        )
        self.count = count

    def forward(self, features: Tensor) -> Tensor:
        """(X * S, C, H, W) to (X * S, C', H', W'); the streams vary fastest."""
        out = super().forward(features.unflatten(0, (-1, self.count)).flatten(1, 2))
        return out.unflatten(1, (self.count, -1)).flatten(0, 1)


class _WideNorm(Norm):
    """The normalisations of several streams as one, without weights of its own."""

    def __init__(self, norm: Norm, count: int) -> None:
        with torch.device("meta"):
            super().__init__(norm.num_channels * count, affine=norm.affine, eps=norm.eps)
        self.count = count

    def forward(self, features_BPCHW: Tensor, call: NormCall) -> Tensor:
        """Shape as given; the streams vary fastest along P."""
        wide = features_BPCHW.unflatten(1, (-1, self.count)).flatten(2, 3)
        return super().forward(wide, call).reshape(features_BPCHW.shape)


def _wide(block: Block, count: int) -> Block:
    """A block whose convolutions and normalisations are those of ``count`` streams, without weights."""
    replaced: dict[int, object] = {}
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            replaced[id(module)] = _WideConv(module, count)
        elif isinstance(module, Norm):
            replaced[id(module)] = _WideNorm(module, count)
        elif [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            raise SpecError(
                f"{type(block).__name__} has weights in {type(module).__name__}; streams.grouped knows those "
                "of nn.Conv2d and Norm. Use streams.loop or streams.vmap."
            )
    return copy.deepcopy(block, replaced)
