"""The nodes of an anchor net, as the networks of different preferences share them."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from dymu.networks.anchor_net import AnchorNet
from dymu.networks.bound_node import BoundNode
from dymu.networks.forward import Adaptation
from dymu.networks.norm import Node, Norm, NormCall
from dymu.networks.tree import task_paths

_N = TypeVar("_N", bound=Node)


@dataclass(frozen=True)
class UsedNodes:
    """Which nodes of an anchor net a tree runs.

    Attributes:
        path_NL: Streams through which the features of each task pass, layer 0 first.
        tasks_of: Per layer the used streams, ascending, with the tasks whose paths pass through them.
        numbers: Positions of used blocks and of all heads in ``AnchorNet.nodes()``, ascending.
    """

    path_NL: list[list[int]]
    tasks_of: list[dict[int, list[int]]]
    numbers: list[int]


class SharedNodes:
    """The nodes of an anchor net without scales, shifts and statistics; each is made when first asked for."""

    def __init__(self, net: AnchorNet) -> None:
        self.net = net
        self._nodes = list(net.nodes())
        self._shared: dict[int, _SharedNode] = {}

    def number(self, layer: int, stream: int) -> int:
        """Position of a block in ``AnchorNet.nodes()``."""
        return stream * self.net.num_layers + layer

    def head_number(self, task: int) -> int:
        """Position of a head in ``AnchorNet.nodes()``."""
        return self.net.num_streams * self.net.num_layers + task

    def used(self, parents_LN: Tensor) -> UsedNodes:
        """What a tree uses."""
        path_NL = task_paths(parents_LN.tolist())
        tasks_of = [
            {s: [task for task, stream in enumerate(streams) if stream == s] for s in sorted(set(streams))}
            for streams in zip(*path_NL, strict=True)
        ]
        numbers = [self.number(layer, s) for layer, streams in enumerate(tasks_of) for s in streams]
        return UsedNodes(
            path_NL, tasks_of, sorted(numbers) + [self.head_number(task) for task in range(len(path_NL))]
        )

    def bound(
        self, used: UsedNodes, adaptations: Mapping[int, Adaptation], *, running: bool
    ) -> dict[int, BoundNode]:
        """The used nodes by their number, with scales and shifts of their own.

        Args:
            used: Nodes of a tree.
            adaptations: By number, what is added to the scales and shifts (1, D) of a node; nothing for those
                that are left out.
            running: Whether they keep the anchor's running statistics.
        """
        bound = {}
        for number in used.numbers:
            if number not in self._shared:
                self._shared[number] = _shared(self._nodes[number])
            node = self._shared[number]
            bound[number] = BoundNode(
                node.part,
                node.channels,
                node.affine(adaptations.get(number)),
                (node.mean_1C.clone(), node.variance_1C.clone()) if running and node.channels else None,
            )
        return bound


@dataclass(frozen=True)
class _SharedNode:
    """A node without numbers for its normalisations, and the numbers.

    Attributes:
        part: A twin that shares all weights but those of normalisations.
        channels: Where the channels of each normalisation lie among those of the node, by position.
        scale_D: Scales of all affine channels.
        shift_D: Shifts of all affine channels.
        mean_1C: Running means of all channels.
        variance_1C: Running variances of all channels.
    """

    part: Node
    channels: dict[int, slice]
    scale_D: Tensor
    shift_D: Tensor
    mean_1C: Tensor
    variance_1C: Tensor

    def affine(self, adaptation: Adaptation | None) -> tuple[Tensor, Tensor]:
        """Scales and shifts (D,) in memory of their own."""
        if adaptation is None:
            return self.scale_D.clone(), self.shift_D.clone()
        return self.scale_D + adaptation.scale_PD[0], self.shift_D + adaptation.shift_PD[0]


class _BareNorm(Norm):
    """A normalisation without numbers: a call brings complete scales and shifts, and statistics if stored."""

    def __init__(self, norm: Norm) -> None:
        nn.Module.__init__(self)
        self.num_channels, self.affine, self.eps, self.momentum = (
            norm.num_channels,
            norm.affine,
            norm.eps,
            norm.momentum,
        )
        self.offset, self.position = norm.offset, norm.position
        self.weight = self.bias = None

    def _affine(self, size_P: int, call: NormCall) -> tuple[Tensor | None, Tensor | None]:
        if not self.affine or call.scale_PD is None or call.shift_PD is None:
            return None, None
        mine = slice(self.offset, self.offset + self.num_channels)
        return _repeated(call.scale_PD[0, mine], size_P), _repeated(call.shift_PD[0, mine], size_P)

    def _stored(self, size_P: int, call: NormCall) -> tuple[Tensor, Tensor]:
        moments = call.memory[self.position]
        repeats = size_P * self.num_channels // len(moments.mean_sum)
        return _repeated(moments.mean_sum, repeats), _repeated(moments.variance_sum, repeats)


def _shared(node: Node) -> _SharedNode:
    norms = list(node.norms())
    channels, start = {}, 0
    for norm in norms:
        channels[norm.position] = slice(start, start + norm.num_channels)
        start += norm.num_channels
    return _SharedNode(
        part=_without_norms(node),
        channels=channels,
        scale_D=_joined([norm.weight for norm in norms if norm.weight is not None]),
        shift_D=_joined([norm.bias for norm in norms if norm.bias is not None]),
        mean_1C=_joined([norm.running_mean for norm in norms])[None],
        variance_1C=_joined([norm.running_var for norm in norms])[None],
    )


def _without_norms(node: _N) -> _N:
    """A twin that shares all weights but those of normalisations."""
    shared: dict[int, object] = {id(norm): _BareNorm(norm) for norm in node.norms()}
    for tensor in (*node.parameters(), *node.buffers()):
        shared.setdefault(id(tensor), tensor)
    return copy.deepcopy(node, shared).eval()


def _repeated(values: Tensor, times: int) -> Tensor:
    return values if times == 1 else values.repeat(times)


def _joined(parts: list[Tensor]) -> Tensor:
    return torch.cat([part.detach() for part in parts]) if parts else torch.empty(0)
