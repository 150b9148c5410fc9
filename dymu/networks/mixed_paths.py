"""Nodes as operations: every task has features of its own and mixes what the N nodes of a layer make of them.

The path form of a search over branchings, N^2 node calls a layer where the tree form
(:func:`~dymu.networks.forward.soft_forward`) needs N. A task's path is what it would see in the tree.
"""

import torch
from torch import Tensor

from dymu.networks.anchor_net import AnchorNet
from dymu.networks.batch_statistics import Peers
from dymu.networks.norm import NormCall


def mixed_path_forward(
    net: AnchorNet, images: Tensor, choice_probs_LNN: Tensor, *, peers: Peers | None = None
) -> list[Tensor]:
    """Predictions under batch statistics, each task's features having their own.

    Args:
        net: Net with one stream per task.
        images: (B, C, H, W), or (B, N, C, H, W) if every task has an image of its own.
        choice_probs_LNN: [layer, task, stream], rows sum to one.
        peers: Ranks that hold the other pieces of the batch.

    Returns:
        Per task the predictions (B, 1, ...).
    """
    call = NormCall("batch", peers=peers)
    features = net.entry(images if images.dim() == 5 else images.unsqueeze(1))
    skip = None
    for layer in range(net.num_layers):
        outputs = [net.block(layer, stream)(features, call) for stream in range(net.num_streams)]
        # Layer 0 runs once if all tasks read the same image: the sum gives each task its own mixture of it.
        features = torch.zeros_like(outputs[0])
        for probs_N, output in zip(choice_probs_LNN[layer].unbind(1), outputs, strict=True):
            features = features + probs_N.to(output.dtype).reshape(1, -1, 1, 1, 1) * output
        skip = features if layer == net.backbone.skip_layer else skip
    return [
        net.head(task)(_of(features, task), None if skip is None else _of(skip, task), call)
        for task in range(len(net.tasks))
    ]


def _of(features_BNCHW: Tensor, task: int) -> Tensor:
    return features_BNCHW[:, task : task + 1]
