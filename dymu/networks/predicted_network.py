"""A predicted network as a module of its own: the used nodes of one tree, with adapted normalisation.

What a preference changes are the tree and the scales and shifts of normalisations (section 3.3). So nodes are
kept once, without these numbers (:mod:`dymu.networks.shared_nodes`), and a network is put together by
reference: it has scales and shifts of its own, in which the perturbations are added up, and shares
convolutions and linear layers with the anchor net and with every other network of the same controller. Moving
such a network to another device or training it would change them all; ``copy.deepcopy(network)`` gives one
that stands alone.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from dymu.errors import SpecError
from dymu.networks.bound_node import BoundMode, BoundNode, Memory
from dymu.networks.forward import Adaptation
from dymu.networks.shared_nodes import SharedNodes, UsedNodes

# batch:   of the images that are predicted together, as in training and evaluation
# running: the anchor's own
# stored:  those that PredictedNetwork.recalibrate has collected
NetworkStatistics = Literal["batch", "running", "stored"]


class PredictedNetwork(nn.Module):
    """The network of one preference: images in, a prediction per task out.

    ``parameters()`` and ``state_dict()`` hold the used nodes, all heads and the stem, and nothing else.

    Args:
        nodes: Nodes of the anchor net.
        used: Those of the tree, from ``nodes.used``.
        adaptations: By number of the node, perturbations (1, D) of its scales and shifts; a node that is left
            out has those of the anchor.
        statistics: Whose normalisation statistics are used.

    Attributes:
        statistics: As given, until :meth:`recalibrate`.
        tasks: Names of the tasks in order.
        image_shape: (C, H, W) of one image.
    """

    def __init__(
        self,
        nodes: SharedNodes,
        used: UsedNodes,
        adaptations: Mapping[int, Adaptation],
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
        bound = nodes.bound(used, adaptations, running=statistics == "running")
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
            SpecError: If the images have another shape or are of float64, or the network was recalibrated on
                images of the other kind.
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
        collected: dict[str, Memory] = {}
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
    def _mode(self) -> BoundMode:
        return "batch" if self.statistics == "batch" else "replay"

    def _run(self, images: Tensor, mode: BoundMode, collected: dict[str, Memory]) -> list[Tensor]:
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

    def _has_own_images(self, images: object) -> bool:
        shapes = (self.image_shape, (len(self.tasks), *self.image_shape))
        if not (isinstance(images, Tensor) and images.is_floating_point()):
            kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
            raise SpecError(
                f"images are {kind}; expected a tensor of floating-point numbers, as the dataset prepares "
                "them."
            )
        weights = next(self.parameters()).dtype
        if images.dtype == torch.float64 != weights:  # what numpy makes; other mixtures are autocast's
            raise SpecError(f"images are {images.dtype}; expected {weights}, as images.float() gives.")
        if tuple(images.shape[1:]) not in shapes:
            one, each = (", ".join(map(str, shape)) for shape in shapes)
            raise SpecError(
                f"images have shape {tuple(images.shape)}; expected (B, {one}), or (B, {each}) with an image "
                f"for each of the tasks {', '.join(self.tasks)}."
            )
        return images.ndim == 5

    def _nodes(self) -> dict[str, BoundNode]:
        nodes = {**dict(self.blocks.items()), **{_head_name(n): head for n, head in enumerate(self.heads)}}
        return {name: node for name, node in nodes.items() if isinstance(node, BoundNode)}


def _part(features_BUCHW: Tensor, tasks: list[int], wanted: list[int]) -> Tensor:
    """Features of some of the tasks that lie side by side."""
    if tasks == wanted:
        return features_BUCHW
    return torch.stack([features_BUCHW[:, tasks.index(task)] for task in wanted], dim=1)


def _name(layer: int, stream: int) -> str:
    return f"layer{layer}_stream{stream}"


def _head_name(task: int) -> str:
    return f"head{task}"
