"""The anchor net: S streams of L blocks and one head per task (section 3.1).

A single-task stream feeds its own head; a shared backbone is an anchor net of one stream. A stem, if the
backbone has one, belongs to all streams and is never trained: independent nets can share only what none of
them changes.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from dymu.networks.backbones.protocol import Backbone, Block, Head, Shape, Stem
from dymu.networks.initialise import build
from dymu.networks.norm import Node
from dymu.spec.task import Task


class AnchorNet(nn.Module):
    """Weights of all nodes; how they are connected is an argument of :mod:`dymu.networks.forward`.

    Attributes:
        stem: What all streams share before layer 0, or ``None``.
        streams: ``streams[s][l]`` is the block of layer l in stream s.
        heads: ``heads[n]`` is the head of task n.
        tasks: Tasks in order.
    """

    def __init__(
        self, backbone: Backbone, tasks: tuple[Task, ...], image_shape: Shape, *, num_streams: int
    ) -> None:
        super().__init__()
        self.backbone, self.tasks, self.image_shape = backbone, tasks, image_shape
        self.num_streams, self.num_layers = num_streams, backbone.num_layers
        self.stem: Stem | None = backbone.stem(image_shape)
        if self.stem is not None:
            self.stem.requires_grad_(False)
            self.stem.number_norms()
        entry_shape = image_shape if self.stem is None else self.stem.out_shape
        self.streams = nn.ModuleList(
            nn.ModuleList(_blocks(backbone, entry_shape)) for _ in range(num_streams)
        )
        shapes = self.layer_shapes()
        skip_shape = None if backbone.skip_layer is None else shapes[backbone.skip_layer]
        self.heads = nn.ModuleList(backbone.head(task, shapes[-1], skip_shape, image_shape) for task in tasks)
        for node in self.nodes():
            node.number_norms()

    def block(self, layer: int, stream: int) -> Block:
        """Node (l, i) of the search space."""
        streams = self.streams[stream]
        assert isinstance(streams, nn.ModuleList)
        block = streams[layer]
        assert isinstance(block, Block)
        return block

    def head(self, task: int) -> Head:
        """The head of a task."""
        head = self.heads[task]
        assert isinstance(head, Head)
        return head

    @torch.no_grad()
    def entry(self, images_BPCHW: Tensor) -> Tensor:
        """What layer 0 reads: the images, or the features of the stem."""
        if self.stem is None:
            return images_BPCHW
        features: Tensor = self.stem(images_BPCHW)
        return features

    def layer_shapes(self) -> list[Shape]:
        """Output shape of each layer."""
        return [self.block(layer, 0).out_shape for layer in range(self.num_layers)]

    def nodes(self) -> Iterator[Node]:
        """Blocks by stream and layer, then heads: the order of the weight hypernet's outputs."""
        for stream in range(self.num_streams):
            for layer in range(self.num_layers):
                yield self.block(layer, stream)
        for task in range(len(self.tasks)):
            yield self.head(task)

    def num_parameters(self) -> int:
        """Parameters of stem, streams and heads."""
        stem = 0 if self.stem is None else self.stem.num_parameters()
        return stem + sum(node.num_parameters() for node in self.nodes())


def single_task_nets(
    backbone: Backbone,
    tasks: tuple[Task, ...],
    image_shape: Shape,
    generator: torch.Generator,
    *,
    num_streams: int | None = None,
    common_initialisation: bool = True,
) -> AnchorNet:
    """An untrained anchor net, one stream per task unless ``num_streams`` says otherwise.

    With a common initialisation every stream starts from the same numbers; streams that start apart cannot
    exchange features (docs/log.md).
    """
    count = len(tasks) if num_streams is None else num_streams
    net = build(lambda: AnchorNet(backbone, tasks, image_shape, num_streams=count), generator)
    if common_initialisation:
        first = net.streams[0].state_dict()
        for stream in net.streams[1:]:
            stream.load_state_dict(first)
    return net


def _blocks(backbone: Backbone, entry_shape: Shape) -> Iterator[Block]:
    shape = entry_shape
    for layer in range(backbone.num_layers):
        block = backbone.block(layer, shape)
        shape = block.out_shape
        yield block
