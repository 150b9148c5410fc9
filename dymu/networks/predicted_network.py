"""A predicted network as a module of its own: the used nodes of one tree, with adapted normalisation.

What a preference changes are the tree and the scales and shifts of normalisations (section 3.3). So nodes are
kept once, without these numbers (:class:`SharedNodes`), and a network is put together by reference: it has
scales and shifts of its own, in which the perturbations are added up, and shares convolutions and linear
layers with the anchor net and with every other network of the same controller. Moving such a network to
another device or training it would change them all; ``copy.deepcopy(network)`` gives one that stands alone.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.forward import Adaptation
from dymu.networks.norm import Moments, Node, Norm, NormCall
from dymu.networks.tree import paths

# batch:   of the images that are predicted together, as in training and evaluation
# running: the anchor's own
# stored:  those that PredictedNetwork.recalibrate has collected
NetworkStatistics = Literal["batch", "running", "stored"]

_Mode = Literal["batch", "collect", "replay"]
_Memory = dict[int, Moments]
_N = TypeVar("_N", bound=Node)


@dataclass(frozen=True)
class UsedNodes:
    """Which nodes of an anchor net a tree runs.

    Attributes:
        path_NL: Streams through which the features of each task pass, layer 0 first.
        tasks_of: Per layer the used streams, ascending, with the tasks whose paths pass through them.
        numbers: Positions of used blocks and of all heads in ``AnchorNet.nodes()``, ascending.
        channels: Where their affine channels lie among those of all nodes; neighbours are one slice.
    """

    path_NL: list[list[int]]
    tasks_of: list[dict[int, list[int]]]
    numbers: list[int]
    channels: list[slice]


class PredictedNetwork(nn.Module):
    """The network of one preference: images in, a prediction per task out.

    ``parameters()`` and ``state_dict()`` hold the used nodes, all heads and the stem, and nothing else.

    Args:
        nodes: Nodes of the anchor net.
        used: Those of the tree, from :meth:`SharedNodes.used`.
        adaptation: Perturbations of the used nodes' channels, (1, D) in the order of ``used.channels``, or
            ``None`` for the anchor's own scales and shifts.
        statistics: Whose normalisation statistics are used.

    Attributes:
        statistics: As given, until :meth:`recalibrate`.
        tasks: Names of the tasks in order.
        image_shape: (C, H, W) of one image.
    """

    def __init__(
        self,
        nodes: "SharedNodes",
        used: UsedNodes,
        adaptation: Adaptation | None,
        *,
        statistics: Literal["batch", "running"] = "batch",
    ) -> None:
        super().__init__()
        self.training = False
        net = nodes.net
        self.statistics: NetworkStatistics = statistics
        self.tasks = tuple(task.name for task in net.tasks)
        self.image_shape = net.image_shape
        self._skip_layer = net.backbone.skip_layer
        self._path_NL, self._tasks_of = used.path_NL, used.tasks_of
        self._calibrated_on_own_images: bool | None = None
        self.stem = net.stem
        bound = nodes.bound(used, adaptation, running=statistics == "running")
        self.blocks = nn.ModuleDict()
        for layer, tasks_of in enumerate(self._tasks_of):
            for stream in tasks_of:
                self.blocks[_name(layer, stream)] = bound[nodes.number(layer, stream)]
        self.heads = nn.ModuleList(bound[nodes.head_number(task)] for task in range(len(net.tasks)))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Predictions (B, ...) by task name.

        Args:
            images: (B, C, H, W), or (B, N, C, H, W) if every task has an image of its own. With batch
                statistics a prediction depends on the images beside it.

        Raises:
            SpecError: If the images have another shape, or the network was recalibrated on images of the
                other kind.
        """
        own_images = self._has_own_images(images)
        if self.statistics == "stored" and own_images != self._calibrated_on_own_images:
            raise SpecError(
                f"images have shape {tuple(images.shape)}, but the network was recalibrated on images of the "
                "other kind (one for all tasks, one for each); recalibrate it on such as it is to predict."
            )
        return dict(zip(self.tasks, self._run(images, self._mode, {}), strict=True))

    @torch.no_grad()
    def recalibrate(self, batches: Iterable[Tensor]) -> None:
        """Store the statistics of some batches of images, averaged over them, and use them from now on.

        Afterwards a prediction depends on its own image alone.

        Raises:
            SpecError: If there is no batch, or one has another shape or not the kind of images of the first.
        """
        collected: dict[str, _Memory] = {}
        kinds = set()
        for images in batches:
            kinds.add(self._has_own_images(images))
            if len(kinds) > 1:
                break
            self._run(images, "collect", collected)
        if len(kinds) != 1:
            raise SpecError(
                "a network is recalibrated on at least one batch of images, each of the same kind: "
                "(B, C, H, W), or (B, N, C, H, W) with an image for each task."
            )
        for name, node in self._nodes().items():
            node.store(collected[name])
        self.statistics, self._calibrated_on_own_images = "stored", kinds.pop()

    @property
    def _mode(self) -> _Mode:
        return "batch" if self.statistics == "batch" else "replay"

    def _run(self, images: Tensor, mode: _Mode, collected: dict[str, _Memory]) -> list[Tensor]:
        """Predictions; in mode ``collect`` statistics are added to ``collected``, by name of the node."""
        own_images = images.ndim == 5
        entry = images if own_images else images.unsqueeze(1)
        if self.stem is not None:
            entry = self.stem(entry)
        # By stream, the features that the layer before has made, and of which tasks they are, side by side.
        before = {0: entry}
        tasks_before: Mapping[int, list[int]] = {0: list(range(len(self.tasks)))}
        skip: Mapping[int, Tensor] = {}
        nodes = self._nodes()
        for layer, tasks_of in enumerate(self._tasks_of):
            outputs: dict[int, Tensor] = {}
            for stream, mine in tasks_of.items():
                parent = self._path_NL[mine[0]][layer - 1] if layer > 0 else 0
                features = before[parent]
                if own_images:
                    features = _part(features, tasks_before[parent], mine)
                name = _name(layer, stream)
                node = nodes[name]
                outputs[stream] = node.part(features, node.call(mode, collected.setdefault(name, {})))
            before, tasks_before = outputs, tasks_of
            if layer == self._skip_layer:
                skip = outputs
        predictions = []
        for task, path in enumerate(self._path_NL):
            features = self._of_task(before, len(path) - 1, task, own_images)
            low = None
            if self._skip_layer is not None:
                low = self._of_task(skip, self._skip_layer, task, own_images)
            name = _head_name(task)
            node = nodes[name]
            out = node.part(features, low, node.call(mode, collected.setdefault(name, {})))
            predictions.append(out.squeeze(1))
        return predictions

    def _of_task(self, outputs: Mapping[int, Tensor], layer: int, task: int, own_images: bool) -> Tensor:
        stream = self._path_NL[task][layer]
        features = outputs[stream]
        return _part(features, self._tasks_of[layer][stream], [task]) if own_images else features

    def _has_own_images(self, images: Tensor) -> bool:
        shapes = (self.image_shape, (len(self.tasks), *self.image_shape))
        if tuple(images.shape[1:]) not in shapes:
            one, each = (", ".join(map(str, shape)) for shape in shapes)
            raise SpecError(
                f"images have shape {tuple(images.shape)}; expected (B, {one}), or (B, {each}) with an image "
                f"for each of the tasks {', '.join(self.tasks)}."
            )
        return images.ndim == 5

    def _nodes(self) -> dict[str, "BoundNode"]:
        nodes = {**dict(self.blocks.items()), **{_head_name(n): head for n, head in enumerate(self.heads)}}
        return {name: node for name, node in nodes.items() if isinstance(node, BoundNode)}


class BoundNode(nn.Module):
    """A node with scales and shifts of its own.

    Args:
        part: The node without numbers for its normalisations; shared.
        channels: Where the channels of each normalisation lie among those of the node, by position.
        affine: Scales and shifts (D,) of all affine channels.
        stored: Means and variances (1, C) of all channels, if there are any.

    Attributes:
        scale: (D,) or ``None`` for a node without affine channels.
        shift: As ``scale``.
        mean: (U, C) stored means for each of U images that pass through side by side, or ``None``.
        variance: As ``mean``.
    """

    mean: Tensor | None
    variance: Tensor | None

    def __init__(
        self,
        part: Node,
        channels: Mapping[int, slice],
        affine: tuple[Tensor, Tensor],
        stored: tuple[Tensor, Tensor] | None,
    ) -> None:
        super().__init__()
        self.training = False
        self.part, self._channels = part, channels
        has_affine = len(affine[0]) > 0
        self.scale = nn.Parameter(affine[0], requires_grad=False) if has_affine else None
        self.shift = nn.Parameter(affine[1], requires_grad=False) if has_affine else None
        self.register_buffer("mean", None if stored is None else stored[0])
        self.register_buffer("variance", None if stored is None else stored[1])

    def call(self, mode: _Mode, collected: _Memory) -> NormCall:
        """How its normalisations behave in one call."""
        if mode == "replay" and self.mean is not None and self.variance is not None:
            collected = {
                position: Moments(self.mean[:, mine].flatten(), self.variance[:, mine].flatten())
                for position, mine in self._channels.items()
            }
        if self.scale is None or self.shift is None:
            return NormCall(mode, memory=collected)
        return NormCall(mode, self.scale.unsqueeze(0), self.shift.unsqueeze(0), collected)

    def store(self, collected: _Memory) -> None:
        """Keep the statistics that were collected, averaged over the batches."""
        if not self._channels:
            return
        mean, variance = [], []
        for position, mine in self._channels.items():
            moments = collected[position]
            sizes = (-1, mine.stop - mine.start)
            mean.append((moments.mean_sum / moments.count).unflatten(0, sizes))
            variance.append((moments.variance_sum / moments.count).unflatten(0, sizes))
        self.mean, self.variance = torch.cat(mean, dim=1), torch.cat(variance, dim=1)


class SharedNodes:
    """The nodes of an anchor net without scales, shifts and statistics; each is made when first asked for."""

    def __init__(self, net: AnchorNet) -> None:
        self.net = net
        self._nodes = list(net.nodes())
        self._parts: dict[int, tuple[Node, dict[int, slice]]] = {}
        self._ranges = _ranges([node.num_modulated() for node in self._nodes])
        norms = [norm for node in self._nodes for norm in node.norms()]
        affine = [norm for norm in norms if norm.weight is not None and norm.bias is not None]
        like = next(net.parameters())
        self._scale_D = _joined([norm.weight for norm in affine if norm.weight is not None], like)
        self._shift_D = _joined([norm.bias for norm in affine if norm.bias is not None], like)
        self._channel_ranges = _ranges(
            [sum(norm.num_channels for norm in node.norms()) for node in self._nodes]
        )
        self._mean_C = _joined([norm.running_mean for norm in norms], like)
        self._variance_C = _joined([norm.running_var for norm in norms], like)

    def number(self, layer: int, stream: int) -> int:
        """Position of a block in ``AnchorNet.nodes()``."""
        return stream * self.net.num_layers + layer

    def head_number(self, task: int) -> int:
        """Position of a head in ``AnchorNet.nodes()``."""
        return self.net.num_streams * self.net.num_layers + task

    def used(self, parents_LN: Tensor) -> UsedNodes:
        """What a tree uses."""
        path_NL: list[list[int]] = paths(parents_LN.unsqueeze(0))[0].tolist()
        tasks_of = [
            {s: [task for task, stream in enumerate(streams) if stream == s] for s in sorted(set(streams))}
            for streams in zip(*path_NL, strict=True)
        ]
        numbers = [self.number(layer, s) for layer, streams in enumerate(tasks_of) for s in streams]
        numbers = sorted(numbers) + [self.head_number(task) for task in range(len(path_NL))]
        channels: list[slice] = []
        for number in numbers:
            mine = self._ranges[number]
            if channels and channels[-1].stop == mine.start:
                channels[-1] = slice(channels[-1].start, mine.stop)
            else:
                channels.append(mine)
        return UsedNodes(path_NL, tasks_of, numbers, channels)

    def bound(
        self, used: UsedNodes, adaptation: Adaptation | None, *, running: bool
    ) -> dict[int, "BoundNode"]:
        """The used nodes by their number, each with its part of the perturbed scales and shifts."""
        scale_D = torch.cat([self._scale_D[mine] for mine in used.channels])
        shift_D = torch.cat([self._shift_D[mine] for mine in used.channels])
        if adaptation is not None:
            scale_D, shift_D = scale_D + adaptation.scale_PD[0], shift_D + adaptation.shift_PD[0]
        sizes = [self._ranges[number].stop - self._ranges[number].start for number in used.numbers]
        bound = {}
        for number, scale, shift in zip(
            used.numbers, scale_D.split(sizes), shift_D.split(sizes), strict=True
        ):
            if number not in self._parts:
                self._parts[number] = _without_norms(self._nodes[number])
            part, channels = self._parts[number]
            stored = None
            if running and channels:
                mine = self._channel_ranges[number]
                stored = (self._mean_C[None, mine].clone(), self._variance_C[None, mine].clone())
            bound[number] = BoundNode(part, channels, (scale.clone(), shift.clone()), stored)
        return bound


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


def _without_norms(node: _N) -> tuple[_N, dict[int, slice]]:
    """A twin that shares all weights but those of normalisations; and where each one's channels lie."""
    shared: dict[int, object] = {}
    channels, start = {}, 0
    for norm in node.norms():
        shared[id(norm)] = _BareNorm(norm)
        channels[norm.position] = slice(start, start + norm.num_channels)
        start += norm.num_channels
    for tensor in (*node.parameters(), *node.buffers()):
        shared.setdefault(id(tensor), tensor)
    return copy.deepcopy(node, shared).eval(), channels


def _part(features_BUCHW: Tensor, tasks: list[int], wanted: list[int]) -> Tensor:
    """Features of some of the tasks that lie side by side."""
    if tasks == wanted:
        return features_BUCHW
    return torch.stack([features_BUCHW[:, tasks.index(task)] for task in wanted], dim=1)


def _repeated(values: Tensor, times: int) -> Tensor:
    return values if times == 1 else values.repeat(times)


def _joined(parts: Sequence[Tensor], like: Tensor) -> Tensor:
    return torch.cat([part.detach() for part in parts]) if parts else like.new_empty(0)


def _ranges(sizes: Sequence[int]) -> list[slice]:
    out, start = [], 0
    for size in sizes:
        out.append(slice(start, start + size))
        start += size
    return out


def _name(layer: int, stream: int) -> str:
    return f"layer{layer}_stream{stream}"


def _head_name(task: int) -> str:
    return f"head{task}"
