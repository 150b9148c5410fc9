"""PHN: all weights of one shared net from the task preference, chunk by chunk (the baseline of section 4.3).

The paper says only that PHN has "a similar architecture to the weight hypernet" with chunking. This is the
chunked hypernet of Pareto HyperNetworks (Navon et al., 2021): a small trunk reads the preference beside an
embedding of the chunk, and several wide matrices turn its features into the weights of that chunk. The sizes
below give the control parameters that the paper prints, 11.03M for CIFAR-100 and 21.04M for NYU-v2.
"""

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from dymu.artifacts.config import check, config
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.initialise import build
from dymu.networks.tree import shared_stream


@config
class PHNHypernetConfig:
    """Size of a chunked hypernet; defaults are those of the published PHN.

    Attributes:
        embedding_dim: Length of the preference embedding.
        chunk_dim: Length of the embedding of a chunk.
        hidden_dim: Width of the trunk.
        num_matrices: Matrices behind the trunk; with more of them there are fewer chunks. The paper's sizes
            ask for 11 on CIFAR-100 and 21 on the dense datasets.
        matrix_weights: Weights that one matrix gives to a chunk.
        initial_std: Standard deviation of the initial embeddings and matrices.
    """

    embedding_dim: int = 32
    chunk_dim: int = 64
    hidden_dim: int = 100
    num_matrices: int = 11
    matrix_weights: int = 10_000
    initial_std: float = 0.1

    def __post_init__(self) -> None:
        for name in ("embedding_dim", "chunk_dim", "hidden_dim", "num_matrices", "matrix_weights"):
            check(getattr(self, name) > 0, self, name, "a positive number")
        check(self.initial_std > 0, self, "initial_std", "a positive number")


class PHNHypernet(nn.Module):
    """Preference embedding and chunk embedding, three linear layers, then the matrices.

    Attributes:
        num_weights: W, the weights of the net that is generated.
        embeddings: (N, embedding_dim), one row per task.
        chunks: (K, chunk_dim), one row per chunk.
        matrices: (num_matrices * matrix_weights, hidden_dim).
    """

    def __init__(self, size: PHNHypernetConfig, *, num_tasks: int, num_weights: int) -> None:
        super().__init__()
        self.num_weights = num_weights
        chunk_weights = size.num_matrices * size.matrix_weights
        self.embeddings = nn.Parameter(torch.empty(num_tasks, size.embedding_dim))
        self.chunks = nn.Parameter(torch.empty(math.ceil(num_weights / chunk_weights), size.chunk_dim))
        widths = [size.embedding_dim + size.chunk_dim] + [size.hidden_dim] * 3
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.matrices = nn.Parameter(torch.empty(chunk_weights, size.hidden_dim))

    def forward(self, task_preference_N: Tensor) -> Tensor:
        """All weights (W,) of the net for one preference; what the last chunk has too many is cut off."""
        preference = (task_preference_N @ self.embeddings).expand(len(self.chunks), -1)
        out = torch.cat([preference, self.chunks], dim=1)
        for number, layer in enumerate(self.hidden):
            out = layer(out if number == 0 else functional.relu(out))
        return (out @ self.matrices.T).flatten()[: self.num_weights]


def make_phn_hypernet(size: PHNHypernetConfig, net: AnchorNet, generator: torch.Generator) -> PHNHypernet:
    """An untrained hypernet for the weights of a net."""
    num_weights = sum(parameter.numel() for parameter in _generated(net).values())
    hypernet = build(
        lambda: PHNHypernet(size, num_tasks=len(net.tasks), num_weights=num_weights),
        generator,
        caller_fills=("embeddings", "chunks", "matrices"),
    )
    with torch.no_grad():
        for parameter in (hypernet.embeddings, hypernet.chunks, hypernet.matrices):
            parameter.normal_(0.0, size.initial_std, generator=generator)
    return hypernet


def named_weights(net: AnchorNet, weights_W: Tensor) -> dict[str, Tensor]:
    """The hypernet's output by the names of the net's parameters; a stem is not among them."""
    shapes = {name: parameter.shape for name, parameter in _generated(net).items()}
    pieces = weights_W.split([shape.numel() for shape in shapes.values()])
    return {name: piece.view(shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)}


def generated_forward(
    net: AnchorNet, weights: Mapping[str, Tensor], images_BCHW: Tensor, conditions: Conditions
) -> list[Tensor]:
    """Run a shared net with other weights than its own, and gradients to them.

    Args:
        net: One stream; its own weights are neither used nor changed, those of a stem excepted.
        weights: As :func:`named_weights` gives them.
        images_BCHW: (B, C, H, W) or (B, N, C, H, W).
        conditions: Normalisation without adaptation.

    Returns:
        Per task the predictions (B, 1, ...).
    """
    replaced = {f"net.{name}": weight for name, weight in weights.items()}
    out: list[Tensor] = torch.func.functional_call(_SharedNet(net), replaced, (images_BCHW, conditions))
    return out


class _SharedNet(nn.Module):
    """A shared net as one function of images, for ``functional_call``."""

    def __init__(self, net: AnchorNet) -> None:
        super().__init__()
        self.net = net
        self.parents_1LN = shared_stream(net.num_layers, len(net.tasks))

    def forward(self, images_BCHW: Tensor, conditions: Conditions) -> list[Tensor]:
        return tree_forward(self.net, images_BCHW, self.parents_1LN, conditions)


def _generated(net: AnchorNet) -> dict[str, nn.Parameter]:
    """Parameters that the hypernet generates: all but those of a stem, which no method trains."""
    return {name: parameter for name, parameter in net.named_parameters() if not name.startswith("stem.")}
