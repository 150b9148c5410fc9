"""Running an anchor net: softly mixed, as trees, or along single paths.

Three ways to connect the same nodes:

* :func:`soft_forward` mixes parents by probability; block 0 runs once for all preferences.
* :func:`tree_forward` runs, per preference, the reachable nodes of its tree and nothing else.
* :func:`path_forward` runs distinct paths without adaptation; paths that begin alike share their beginning.

Predictions are one tensor per task, (B, P, ...).

Images are (B, C, H, W), the same for every task, or (B, N, C, H, W): then every task has an image of its own
(CIFAR-100), its head sees that image alone, and a node of a tree runs only for the tasks whose path it lies
on. The images of a task lie beside those of others as preferences do, so each task has batch statistics of
its own, as its single-task net had (docs/protocol.md, no. 36).
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dymu.networks.anchor_net import AnchorNet
from dymu.networks.batch_statistics import Peers
from dymu.networks.norm import Moments, NormCall, NormMode
from dymu.networks.streams import Runner, fastest
from dymu.networks.tree import nodes_on_paths, paths

Path = tuple[int, ...]  # streams of layers 0, 1, ...
_Prefix = tuple[int, ...]  # number of the image, then streams of layers 0, 1, ...


@dataclass(frozen=True)
class Adaptation:
    """Perturbations of all affine channels of normalisations, nodes in the order of ``AnchorNet.nodes()``.

    Attributes:
        scale_PD: Added to the scales.
        shift_PD: Added to the shifts.
    """

    scale_PD: Tensor
    shift_PD: Tensor


@dataclass(frozen=True)
class Conditions:
    """How normalisations behave in a forward pass.

    Attributes:
        mode: Whose statistics are used.
        adaptation: Output of the weight hypernet, or ``None`` for the anchor's own parameters.
        memory: Statistics by node call, for the modes ``collect`` and ``replay``.
        peers: Ranks that hold the other pieces of the batch, for the modes ``train`` and ``batch``.
    """

    mode: NormMode = "batch"
    adaptation: Adaptation | None = None
    memory: dict[Hashable, dict[int, Moments]] = field(default_factory=dict)
    peers: Peers | None = None


class _Calls:
    """Makes the :class:`NormCall` of each node."""

    def __init__(self, net: AnchorNet, conditions: Conditions) -> None:
        self.conditions = conditions
        self.ranges: list[slice] = []
        start = 0
        for node in net.nodes():
            stop = start + node.num_modulated()
            self.ranges.append(slice(start, stop))
            start = stop
        self.num_layers, self.num_streams = net.num_layers, net.num_streams

    def block(self, layer: int, stream: int, key: Hashable, preferences: Tensor | None = None) -> NormCall:
        return self._call(stream * self.num_layers + layer, ("block", layer, stream, key), preferences)

    def head(self, task: int, key: Hashable) -> NormCall:
        return self._call(self.num_streams * self.num_layers + task, ("head", task, key), None)

    def _call(self, node: int, key: Hashable, preferences: Tensor | None) -> NormCall:
        memory = self.conditions.memory.setdefault(key, {})
        mode, adaptation, peers = self.conditions.mode, self.conditions.adaptation, self.conditions.peers
        if adaptation is None:
            return NormCall(mode, memory=memory, peers=peers)
        scale_PD = adaptation.scale_PD[:, self.ranges[node]]
        shift_PD = adaptation.shift_PD[:, self.ranges[node]]
        if preferences is not None:
            scale_PD, shift_PD = scale_PD[preferences], shift_PD[preferences]
        return NormCall(mode, scale_PD, shift_PD, memory, peers)


def soft_forward(
    net: AnchorNet,
    images_BCHW: Tensor,
    parent_probs_PLNN: Tensor,
    *,
    mode: NormMode = "batch",
    peers: Peers | None = None,
    runner: Runner | None = None,
) -> list[Tensor]:
    """Eq. 1 with the one-hot choice replaced by the probabilities of Eq. 4.

    Args:
        net: Anchor net with one stream per task.
        images_BCHW: Images, the same for every preference, (B, C, H, W) or (B, N, C, H, W).
        parent_probs_PLNN: [preference, layer, child, parent].
        mode: Whose normalisation statistics are used.
        peers: Ranks that hold the other pieces of the batch.
        runner: How the streams of a layer are run; ``None`` for what is fastest on the images' device.

    Returns:
        Per task the predictions (B, P, ...).
    """
    calls = _Calls(net, Conditions(mode, peers=peers))
    streams = range(net.num_streams)
    run = fastest(images_BCHW.device) if runner is None else runner
    entry = net.entry(_beside(images_BCHW))
    size_G = entry.shape[1]
    inputs = [entry] * net.num_streams
    skips: list[Tensor] | None = None
    for layer in range(net.num_layers):
        blocks = [net.block(layer, i) for i in streams]
        outputs = run(blocks, inputs, [calls.block(layer, i, "soft") for i in streams])
        if layer == net.backbone.skip_layer:
            skips = _mix(outputs, _path_marginal(parent_probs_PLNN, layer), size_G)
        inputs = _mix(outputs, parent_probs_PLNN[:, layer], size_G)
    predictions = []
    for n in range(len(net.tasks)):
        skip = None if skips is None else _of_task(skips[n], n, size_G)
        predictions.append(net.head(n)(_of_task(inputs[n], n, size_G), skip, calls.head(n, "soft")))
    return predictions


def tree_forward(
    net: AnchorNet, images_BCHW: Tensor, parents_PLN: Tensor, conditions: Conditions
) -> list[Tensor]:
    """Run the tree of each preference, node by node; a node runs for the preferences that use it.

    Args:
        net: Anchor net (or a shared backbone with trees that only name stream 0).
        images_BCHW: Images, the same for every preference, (B, C, H, W) or (B, N, C, H, W).
        parents_PLN: Trees, on the CPU.
        conditions: Normalisation; adaptation has P rows.

    Returns:
        Per task the predictions (B, P, ...).
    """
    calls = _Calls(net, conditions)
    entry = net.entry(_beside(images_BCHW))
    paths_PNL = paths(parents_PLN)
    units = _Units.of(parents_PLN, paths_PNL, own_images=entry.shape[1] > 1)
    layer_in: dict[int, _Batch] = {}
    skip: dict[int, _Batch] = {}
    for layer in range(net.num_layers):
        layer_out: dict[int, _Batch] = {}
        for stream in range(net.num_streams):
            wanted = units.used_ULN[:, layer, stream].nonzero().flatten()
            if len(wanted) == 0:
                continue
            if layer == 0:
                batch = _Batch(wanted, units.images(entry, wanted))
            else:
                batch = _gather(layer_in, units.parents_ULN[:, layer - 1, stream], wanted)
            call = calls.block(layer, stream, "tree", units.preference_U[batch.units])
            layer_out[stream] = _Batch(batch.units, net.block(layer, stream)(batch.features, call))
        if layer == net.backbone.skip_layer:
            skip = layer_out
        layer_in = layer_out
    skip_layer = net.backbone.skip_layer
    predictions = []
    for task in range(len(net.tasks)):
        path_UL = paths_PNL[units.preference_U, task]
        wanted = units.of_task(task)
        features = _gather(layer_in, path_UL[:, -1], wanted).in_order()
        skipped = None if skip_layer is None else _gather(skip, path_UL[:, skip_layer], wanted).in_order()
        predictions.append(net.head(task)(features, skipped, calls.head(task, "tree")))
    return predictions


def in_turns(paths_of_task: Sequence[Sequence[Path]], most: int) -> Iterator[list[list[Path]]]:
    """Paths as several calls of :func:`path_forward` of at most so many each; neighbours begin alike."""
    pairs = sorted((path, task) for task, of_task in enumerate(paths_of_task) for path in of_task)
    for start in range(0, len(pairs), most):
        turn = pairs[start : start + most]
        yield [[path for path, task in turn if task == number] for number in range(len(paths_of_task))]


def path_forward(
    net: AnchorNet, images_BCHW: Tensor, paths_of_task: Sequence[Sequence[Path]], conditions: Conditions
) -> list[Tensor]:
    """Run tasks along distinct paths without adaptation, computing every common beginning once.

    Args:
        net: Anchor net.
        images_BCHW: Images, (B, C, H, W) or (B, N, C, H, W).
        paths_of_task: Per task the paths to run, each the streams of layers 0 to L-1; none for some tasks.
        conditions: Normalisation without adaptation.

    Returns:
        Per task the predictions (B, number of its paths, ...); (B, 0) where there is none.
    """
    assert conditions.adaptation is None, "adapted features depend on the preference, not on the path alone"
    calls = _Calls(net, conditions)
    entry = net.entry(_beside(images_BCHW))
    image_of = [task if entry.shape[1] > 1 else 0 for task in range(len(paths_of_task))]
    wanted: list[list[_Prefix]] = [
        [(image, *path) for path in paths_] for image, paths_ in zip(image_of, paths_of_task, strict=True)
    ]
    every = {path for of_task in wanted for path in of_task}
    known = _Prefixes({(image,): image for image in range(entry.shape[1])}, entry)
    skip = known
    for layer in range(net.num_layers):
        longer = sorted({path[: layer + 2] for path in every}, key=lambda prefix: (prefix[-1], prefix))
        parts = []
        for stream in sorted({prefix[-1] for prefix in longer}):
            mine = [prefix for prefix in longer if prefix[-1] == stream]
            call = calls.block(layer, stream, tuple(mine))
            parts.append(net.block(layer, stream)(known.at([prefix[:-1] for prefix in mine]), call))
        known = _Prefixes({prefix: index for index, prefix in enumerate(longer)}, torch.cat(parts, dim=1))
        skip = known if layer == net.backbone.skip_layer else skip
    predictions = []
    for task, of_task in enumerate(wanted):
        if not of_task:
            predictions.append(entry.new_empty(len(entry), 0))
            continue
        skipped = None
        if net.backbone.skip_layer is not None:
            skipped = skip.at([path[: net.backbone.skip_layer + 2] for path in of_task])
        predictions.append(net.head(task)(known.at(of_task), skipped, calls.head(task, tuple(of_task))))
    return predictions


@dataclass(frozen=True)
class _Prefixes:
    """Features (B, U, C, H, W) of U beginnings of paths, by position."""

    position: Mapping[_Prefix, int]
    features: Tensor

    def at(self, prefixes: Sequence[_Prefix]) -> Tensor:
        index = torch.tensor([self.position[prefix] for prefix in prefixes], device=self.features.device)
        return self.features.index_select(1, index)


@dataclass(frozen=True)
class _Units:
    """What lies side by side in a tree's features: preferences, or pairs of preference and task.

    Attributes:
        preference_U: (U,) whose tree and adaptation.
        parents_ULN: (U, L, N) the tree.
        used_ULN: (U, L, N) the nodes that run.
        num_tasks: Pairs per preference if tasks have images of their own, 1 otherwise.
    """

    preference_U: Tensor
    parents_ULN: Tensor
    used_ULN: Tensor
    num_tasks: int

    @classmethod
    def of(cls, parents_PLN: Tensor, paths_PNL: Tensor, *, own_images: bool) -> "_Units":
        """One unit a preference, or with images of their own one for each of its tasks."""
        everyone = torch.arange(len(parents_PLN))
        if not own_images:
            return cls(everyone, parents_PLN, nodes_on_paths(paths_PNL), 1)
        num_tasks = paths_PNL.shape[1]
        preference_U = everyone.repeat_interleave(num_tasks)
        # nodes_on_paths takes the number of streams from the number of paths: each path stands there N times.
        alone_UNL = paths_PNL.flatten(0, 1).unsqueeze(1).expand(-1, num_tasks, -1)
        return cls(preference_U, parents_PLN[preference_U], nodes_on_paths(alone_UNL), num_tasks)

    def images(self, entry_BGCHW: Tensor, units: Tensor) -> Tensor:
        """What layer 0 reads for some units."""
        if self.num_tasks == 1:
            return entry_BGCHW.expand(-1, len(units), -1, -1, -1)
        return entry_BGCHW.index_select(1, (units % self.num_tasks).to(entry_BGCHW.device))

    def of_task(self, task: int) -> Tensor:
        """The units whose features the head of a task reads, by preference."""
        if self.num_tasks == 1:
            return torch.arange(len(self.preference_U))
        return torch.arange(task, len(self.preference_U), self.num_tasks)


@dataclass(frozen=True)
class _Batch:
    """Features (B, U, C, H, W) of U units; ``units`` (U,) says which."""

    units: Tensor
    features: Tensor

    def of(self, units: Tensor) -> Tensor:
        """Features of some of the units, in the order asked for."""
        if torch.equal(units, self.units):
            return self.features
        position = {unit: index for index, unit in enumerate(self.units.tolist())}
        index = torch.tensor([position[unit] for unit in units.tolist()])
        return self.features.index_select(1, index.to(self.features.device))

    def in_order(self) -> Tensor:
        """Features of all units, ascending."""
        return self.of(self.units.sort().values)


def _beside(images: Tensor) -> Tensor:
    """(B, G, C, H, W): one image for all tasks, or one for each."""
    return images.unsqueeze(1) if images.ndim == 4 else images


def _gather(available: dict[int, _Batch], parent_U: Tensor, wanted: Tensor) -> _Batch:
    """Features of the wanted units, each from its own parent; the order is by parent."""
    units, parts = [], []
    chosen = parent_U[wanted]
    for parent in sorted(set(chosen.tolist())):
        mine = wanted[chosen == parent]
        source = available[parent]
        parts.append(source.of(mine))
        units.append(mine)
    if len(parts) == 1:
        return _Batch(units[0], parts[0])
    return _Batch(torch.cat(units), torch.cat(parts, dim=1))


def _mix(outputs: list[Tensor], probs_PNN: Tensor, size_G: int) -> list[Tensor]:
    """Per child the probability-weighted sum of all parents' outputs, (B, P*G, C, H, W) each."""
    stacked = torch.stack(outputs)
    if stacked.shape[2] == size_G:  # layer 0 runs once for all preferences
        mixed = torch.einsum("pji,ibgchw->jbpgchw", probs_PNN, stacked)
    else:
        mixed = torch.einsum("pji,ibpgchw->jbpgchw", probs_PNN, stacked.unflatten(2, (-1, size_G)))
    return list(mixed.flatten(2, 3))


def _of_task(mixed_BUCHW: Tensor, task: int, size_G: int) -> Tensor:
    """(B, P, C, H, W): the part that comes from the task's own image."""
    if size_G == 1:
        return mixed_BUCHW
    return mixed_BUCHW.unflatten(1, (-1, size_G))[:, :, task]


def _path_marginal(parent_probs_PLNN: Tensor, layer: int) -> Tensor:
    """(P, N, N) probability that the path of a task passes through a node of ``layer``."""
    marginal = parent_probs_PLNN[:, -1]
    for below in reversed(range(layer, parent_probs_PLNN.shape[1] - 1)):
        marginal = marginal @ parent_probs_PLNN[:, below]
    return marginal
