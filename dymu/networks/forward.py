"""Running an anchor net: softly mixed, as trees, or along single paths.

Three ways to connect the same nodes:

* :func:`soft_forward` mixes parents by probability; block 0 runs once for all preferences.
* :func:`tree_forward` runs, per preference, the reachable nodes of its tree and nothing else.
* :func:`path_forward` runs distinct paths without adaptation; paths that begin alike share their beginning.

Predictions are one tensor per task, (B, P, ...).
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dymu.networks.anchor_net import AnchorNet
from dymu.networks.batch_statistics import Peers
from dymu.networks.norm import Moments, NormCall, NormMode
from dymu.networks.tree import nodes_on_paths, paths

Path = tuple[int, ...]  # streams of layers 0, 1, ...


@dataclass(frozen=True)
class Adaptation:
    """Perturbations of all scales and shifts, (P, D) over the nodes in the order of ``AnchorNet.nodes()``."""

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
) -> list[Tensor]:
    """Eq. 1 with the one-hot choice replaced by the probabilities of Eq. 4.

    Args:
        net: Anchor net with one stream per task.
        images_BCHW: Images, the same for every preference.
        parent_probs_PLNN: [preference, layer, child, parent].
        mode: Whose normalisation statistics are used.
        peers: Ranks that hold the other pieces of the batch.

    Returns:
        Per task the predictions (B, P, ...).
    """
    calls = _Calls(net, Conditions(mode, peers=peers))
    streams = range(net.num_streams)
    inputs = [images_BCHW.unsqueeze(1)] * net.num_streams
    skips: list[Tensor] | None = None
    for layer in range(net.num_layers):
        outputs = [net.block(layer, i)(inputs[i], calls.block(layer, i, "soft")) for i in streams]
        if layer == net.backbone.skip_layer:
            skips = _mix(outputs, _path_marginal(parent_probs_PLNN, layer))
        inputs = _mix(outputs, parent_probs_PLNN[:, layer])
    skip_of = skips if skips is not None else [None] * len(net.tasks)
    return [net.head(n)(inputs[n], skip_of[n], calls.head(n, "soft")) for n in range(len(net.tasks))]


def tree_forward(
    net: AnchorNet, images_BCHW: Tensor, parents_PLN: Tensor, conditions: Conditions
) -> list[Tensor]:
    """Run the tree of each preference, node by node; a node runs for the preferences that use it.

    Args:
        net: Anchor net (or a shared backbone with trees that only name stream 0).
        images_BCHW: Images, the same for every preference.
        parents_PLN: Trees, on the CPU.
        conditions: Normalisation; adaptation has P rows.

    Returns:
        Per task the predictions (B, P, ...).
    """
    calls = _Calls(net, conditions)
    paths_PNL = paths(parents_PLN)
    used_PLN = nodes_on_paths(paths_PNL)
    everyone = torch.arange(len(parents_PLN))
    layer_in: dict[int, _Batch] = {}
    skip: dict[int, _Batch] = {}
    for layer in range(net.num_layers):
        layer_out: dict[int, _Batch] = {}
        for stream in range(net.num_streams):
            wanted = used_PLN[:, layer, stream].nonzero().flatten()
            if len(wanted) == 0:
                continue
            if layer == 0:
                features = images_BCHW.unsqueeze(1).expand(-1, len(wanted), -1, -1, -1)
                batch = _Batch(wanted, features)
            else:
                batch = _gather(layer_in, parents_PLN[:, layer - 1, stream], wanted)
            call = calls.block(layer, stream, "tree", batch.preferences)
            layer_out[stream] = _Batch(batch.preferences, net.block(layer, stream)(batch.features, call))
        if layer == net.backbone.skip_layer:
            skip = layer_out
        layer_in = layer_out
    skip_layer = net.backbone.skip_layer
    predictions = []
    for task in range(len(net.tasks)):
        features = _gather(layer_in, paths_PNL[:, task, -1], everyone).in_order()
        skipped = (
            None if skip_layer is None else _gather(skip, paths_PNL[:, task, skip_layer], everyone).in_order()
        )
        predictions.append(net.head(task)(features, skipped, calls.head(task, "tree")))
    return predictions


def path_forward(
    net: AnchorNet, images_BCHW: Tensor, paths_of_task: Sequence[Sequence[Path]], conditions: Conditions
) -> list[Tensor]:
    """Run tasks along distinct paths without adaptation, computing every common beginning once.

    Args:
        net: Anchor net.
        images_BCHW: Images.
        paths_of_task: Per task the paths to run, each the streams of layers 0 to L-1.
        conditions: Normalisation without adaptation.

    Returns:
        Per task the predictions (B, number of its paths, ...).
    """
    assert conditions.adaptation is None, "adapted features depend on the preference, not on the path alone"
    calls = _Calls(net, conditions)
    every_path = {path for paths_ in paths_of_task for path in paths_}
    known = _Prefixes({(): 0}, images_BCHW.unsqueeze(1))
    skip = known
    for layer in range(net.num_layers):
        longer = sorted({path[: layer + 1] for path in every_path}, key=lambda prefix: (prefix[-1], prefix))
        parts = []
        for stream in sorted({prefix[-1] for prefix in longer}):
            mine = [prefix for prefix in longer if prefix[-1] == stream]
            call = calls.block(layer, stream, tuple(mine))
            parts.append(net.block(layer, stream)(known.at([prefix[:-1] for prefix in mine]), call))
        known = _Prefixes({prefix: index for index, prefix in enumerate(longer)}, torch.cat(parts, dim=1))
        skip = known if layer == net.backbone.skip_layer else skip
    predictions = []
    for task, wanted in enumerate(paths_of_task):
        skipped = None
        if net.backbone.skip_layer is not None:
            skipped = skip.at([path[: net.backbone.skip_layer + 1] for path in wanted])
        predictions.append(net.head(task)(known.at(wanted), skipped, calls.head(task, tuple(wanted))))
    return predictions


@dataclass(frozen=True)
class _Prefixes:
    """Features (B, U, C, H, W) of U beginnings of paths, by position."""

    position: Mapping[Path, int]
    features: Tensor

    def at(self, prefixes: Sequence[Path]) -> Tensor:
        index = torch.tensor([self.position[prefix] for prefix in prefixes], device=self.features.device)
        return self.features.index_select(1, index)


@dataclass(frozen=True)
class _Batch:
    """Features (B, U, C, H, W) of U preferences; ``preferences`` (U,) says whose."""

    preferences: Tensor
    features: Tensor

    def of(self, preferences: Tensor) -> Tensor:
        """Features of some of the preferences, in the order asked for."""
        if torch.equal(preferences, self.preferences):
            return self.features
        position = {preference: index for index, preference in enumerate(self.preferences.tolist())}
        index = torch.tensor([position[preference] for preference in preferences.tolist()])
        return self.features.index_select(1, index.to(self.features.device))

    def in_order(self) -> Tensor:
        """Features of all preferences, ascending."""
        return self.of(self.preferences.sort().values)


def _gather(available: dict[int, _Batch], parent_P: Tensor, wanted: Tensor) -> _Batch:
    """Features of the wanted preferences, each from its own parent; the order is by parent."""
    preferences, parts = [], []
    chosen = parent_P[wanted]
    for parent in sorted(set(chosen.tolist())):
        mine = wanted[chosen == parent]
        source = available[parent]
        parts.append(source.of(mine))
        preferences.append(mine)
    if len(parts) == 1:
        return _Batch(preferences[0], parts[0])
    return _Batch(torch.cat(preferences), torch.cat(parts, dim=1))


def _mix(outputs: list[Tensor], probs_PNN: Tensor) -> list[Tensor]:
    """Per child the probability-weighted sum of all parents' outputs, (B, P, C, H, W) each."""
    stacked = torch.stack(outputs)
    if stacked.shape[2] == 1:
        mixed = torch.einsum("pji,ibchw->jbpchw", probs_PNN, stacked.squeeze(2))
    else:
        mixed = torch.einsum("pji,ibpchw->jbpchw", probs_PNN, stacked)
    return list(mixed)


def _path_marginal(parent_probs_PLNN: Tensor, layer: int) -> Tensor:
    """(P, N, N) probability that the path of a task passes through a node of ``layer``."""
    marginal = parent_probs_PLNN[:, -1]
    for below in reversed(range(layer, parent_probs_PLNN.shape[1] - 1)):
        marginal = marginal @ parent_probs_PLNN[:, below]
    return marginal
