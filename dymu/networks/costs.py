"""What each node costs: parameters, and multiply-accumulates of one image by torch's own counter."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dymu.networks.anchor_net import AnchorNet
from dymu.networks.norm import NormCall


@dataclass(frozen=True)
class NodeCosts:
    """Costs by node, float64.

    Attributes:
        parameters_LN: Trainable parameters of each block, [layer, stream].
        macs_LN: Multiply-accumulates of each block for one image.
        head_parameters: Of all heads together; heads always run.
        head_macs: Of all heads together.
    """

    parameters_LN: Tensor
    macs_LN: Tensor
    head_parameters: float
    head_macs: float

    def of_trees(self, used_PLN: Tensor) -> tuple[Tensor, Tensor]:
        """(P,) parameters and (P,) multiply-accumulates of trees given by their used nodes."""
        used = used_PLN[:, :, : self.parameters_LN.shape[1]].to(torch.float64)
        parameters = (used * self.parameters_LN).sum(dim=(1, 2)) + self.head_parameters
        macs = (used * self.macs_LN).sum(dim=(1, 2)) + self.head_macs
        return parameters, macs


@torch.no_grad()
def node_costs(net: AnchorNet) -> NodeCosts:
    """Measure every node once, on one blank image."""
    parameters_LN = torch.zeros(net.num_layers, net.num_streams, dtype=torch.float64)
    macs_LN = torch.zeros_like(parameters_LN)
    device = next(net.parameters()).device
    call = NormCall("running")
    features = torch.zeros(1, 1, *net.image_shape, device=device)
    skip = None
    for layer in range(net.num_layers):
        out = features
        for stream in range(net.num_streams):
            block = net.block(layer, stream)
            with FlopCounterMode(display=False) as counter:
                out = block(features, call)
            parameters_LN[layer, stream] = block.num_parameters()
            macs_LN[layer, stream] = counter.get_total_flops() / 2
        features = out
        skip = out if layer == net.backbone.skip_layer else skip
    head_macs = 0.0
    for task in range(len(net.tasks)):
        with FlopCounterMode(display=False) as counter:
            net.head(task)(features, skip, call)
        head_macs += counter.get_total_flops() / 2
    head_parameters = sum(net.head(task).num_parameters() for task in range(len(net.tasks)))
    return NodeCosts(parameters_LN, macs_LN, float(head_parameters), head_macs)
