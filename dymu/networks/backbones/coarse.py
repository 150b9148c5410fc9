"""Branch points that are coarser than blocks: consecutive blocks of any backbone as one branchable layer.

A stream computes what it computed before; what changes is where it may leave another one, and so L, the size
of the edge hypernet and the number of trees.
"""

from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from dymu.artifacts.config import check, config
from dymu.errors import SpecError
from dymu.networks.backbones.protocol import Backbone, Block, Head, Shape, Stem
from dymu.networks.norm import NormCall
from dymu.networks.pretrained import PretrainedWeights
from dymu.spec.task import Task


@config
class Coarse:
    """Configuration of a backbone with fewer branch points.

    Attributes:
        backbone: Whose blocks are grouped.
        ends: Last block of each group, counted from 0; its length is L. For the 18 blocks of MobileNetV2,
            ``(2, 5, 12, 16, 17)`` are those down to a quarter, an eighth, a sixteenth and a thirty-second of
            the image's size (or a sixteenth, dilated), and R-ASPP.
    """

    backbone: Backbone
    ends: tuple[int, ...]

    def __post_init__(self) -> None:
        last = self.backbone.num_layers - 1
        ascending = all(one < other for one, other in pairwise((-1, *self.ends)))
        check(
            len(self.ends) > 0 and ascending and self.ends[-1] == last,
            self,
            "ends",
            f"ascending numbers of blocks, the last one {last}: "
            f"{type(self.backbone).__name__} has blocks 0 to {last}",
        )
        skip = self.backbone.skip_layer
        if skip is not None and skip not in self.ends:
            raise SpecError(
                f"Coarse.ends is {self.ends!r}; expected {skip} among them, because heads read the features "
                f"of block {skip} and only those at the end of a group can be read."
            )

    @property
    def num_layers(self) -> int:
        """L, the number of groups."""
        return len(self.ends)

    @property
    def skip_layer(self) -> int | None:
        """The group that ends with the backbone's skip layer."""
        skip = self.backbone.skip_layer
        return None if skip is None else self.ends.index(skip)

    @property
    def pretrained(self) -> PretrainedWeights | None:
        """As the backbone's."""
        return self.backbone.pretrained

    def stem(self, image_shape: Shape) -> Stem | None:
        """As the backbone's."""
        return self.backbone.stem(image_shape)

    def members(self, layer: int) -> range:
        """Numbers of the blocks that a group is made of."""
        first = 0 if layer == 0 else self.ends[layer - 1] + 1
        return range(first, self.ends[layer] + 1)

    def block(self, layer: int, in_shape: Shape) -> Block:
        """The blocks of a group, one after the other; a block that is alone stays what it is."""
        blocks, shape = [], in_shape
        for number in self.members(layer):
            blocks.append(self.backbone.block(number, shape))
            shape = blocks[-1].out_shape
        return blocks[0] if len(blocks) == 1 else Group(blocks)

    def head(self, task: Task, in_shape: Shape, skip_shape: Shape | None, image_shape: Shape) -> Head:
        """As the backbone's."""
        return self.backbone.head(task, in_shape, skip_shape, image_shape)


class Group(Block):
    """Blocks that run one after the other, as one node."""

    def __init__(self, blocks: list[Block]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.out_shape = blocks[-1].out_shape

    def forward(self, features_BPCHW: Tensor, call: NormCall) -> Tensor:
        """Features of the last block."""
        for block in self.blocks:
            features_BPCHW = cast(Block, block)(features_BPCHW, call)
        return features_BPCHW
