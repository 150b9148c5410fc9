"""What a backbone must offer: L branchable blocks and one head per task."""

from abc import ABC, abstractmethod
from typing import Protocol, runtime_checkable

from torch import Tensor

from dymu.networks.norm import Node, NormCall
from dymu.networks.pretrained import PretrainedWeights
from dymu.spec.task import Task

Shape = tuple[int, int, int]  # channels, height, width


class Stem(Node, ABC):
    """What all streams share before layer 0: it keeps its start and stored statistics, and runs once.

    Attributes:
        out_shape: Channels, height and width of its features.
    """

    out_shape: Shape

    @abstractmethod
    def forward(self, images_BPCHW: Tensor) -> Tensor:
        """Features that every block of layer 0 reads."""


class Block(Node, ABC):
    """One branchable layer of a stream.

    Attributes:
        out_shape: Channels, height and width of its features.
    """

    out_shape: Shape

    @abstractmethod
    def forward(self, features_BPCHW: Tensor, call: NormCall) -> Tensor:
        """Features of the next layer."""


class Head(Node, ABC):
    """What a task adds on top of the last layer; always runs."""

    @abstractmethod
    def forward(self, features_BPCHW: Tensor, skip_BPCHW: Tensor | None, call: NormCall) -> Tensor:
        """Prediction (B, P, ...) of the task; ``skip`` are the features of the backbone's skip layer."""


@runtime_checkable
class Backbone(Protocol):
    """A frozen config that builds blocks and heads."""

    @property
    def num_layers(self) -> int:
        """L, the number of branchable layers."""

    @property
    def skip_layer(self) -> int | None:
        """Layer whose features heads also read, along the task's own path (docs/protocol.md, no. 29)."""

    @property
    def pretrained(self) -> PretrainedWeights | None:
        """Weights from which every stream starts; ``None`` for random numbers."""

    def stem(self, image_shape: Shape) -> Stem | None:
        """What all streams share; ``None`` if blocks of layer 0 read the image."""

    def block(self, layer: int, in_shape: Shape) -> Block:
        """A block of the given layer, 0 <= layer < L."""

    def head(self, task: Task, in_shape: Shape, skip_shape: Shape | None, image_shape: Shape) -> Head:
        """The head of a task.

        Args:
            task: What is predicted.
            in_shape: Of the features of the last layer.
            skip_shape: Of the features of ``skip_layer``; ``None`` if there is none.
            image_shape: Of what dense predictions are as large as.
        """
