"""What each node costs: parameters, and multiply-accumulates of one image by torch's own counter."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from dymu.networks.anchor_net import AnchorNet
from dymu.networks.norm import NormCall

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NodeCosts:
    """Costs by node.

    Attributes:
        parameters_LS: Trainable parameters of each block, [layer, stream].
        macs_LS: Multiply-accumulates of each block for one image.
        head_parameters_N: Of each task's head.
        head_macs_N: Of each task's head.
    """

    parameters_LS: Floats
    macs_LS: Floats
    head_parameters_N: Floats
    head_macs_N: Floats


@torch.no_grad()
def node_costs(net: AnchorNet) -> NodeCosts:
    """Measure every node once, on one blank image."""
    shape, num_tasks = (net.num_layers, net.num_streams), len(net.tasks)
    costs = NodeCosts(np.zeros(shape), np.zeros(shape), np.zeros(num_tasks), np.zeros(num_tasks))
    call = NormCall("running")
    features = next(net.parameters()).new_zeros(1, 1, *net.image_shape)
    skip = None
    for layer in range(net.num_layers):
        out = features
        for stream in range(net.num_streams):
            block = net.block(layer, stream)
            with FlopCounterMode(display=False) as counter:
                out = block(features, call)
            costs.parameters_LS[layer, stream] = block.num_parameters()
            costs.macs_LS[layer, stream] = counter.get_total_flops() / 2
        features = out
        skip = out if layer == net.backbone.skip_layer else skip
    for task in range(num_tasks):
        with FlopCounterMode(display=False) as counter:
            net.head(task)(features, skip, call)
        costs.head_parameters_N[task] = net.head(task).num_parameters()
        costs.head_macs_N[task] = counter.get_total_flops() / 2
    return costs
