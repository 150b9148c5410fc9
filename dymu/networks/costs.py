"""What each node costs: parameters, and multiply-accumulates of one image by torch's own counter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dymu.networks.anchor_net import AnchorNet
from dymu.networks.norm import NormCall

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NodeCosts:
    """Costs by node.

    Attributes:
        parameters_LS: Parameters of each block, [layer, stream].
        macs_LS: Multiply-accumulates of each block for one image.
        head_parameters_N: Of each task's head.
        head_macs_N: Of each task's head.
        stem_parameters: Of the stem, which runs once for all streams; 0 without one.
        stem_macs: Of the stem.
    """

    parameters_LS: Floats
    macs_LS: Floats
    head_parameters_N: Floats
    head_macs_N: Floats
    stem_parameters: float = 0.0
    stem_macs: float = 0.0


@torch.no_grad()
def node_costs(net: AnchorNet) -> NodeCosts:
    """Measure every layer and head once, on one blank image.

    Streams have the same blocks, so a twin of one stream without memory for numbers is measured: it takes
    milliseconds at any image size.
    """
    with torch.device("meta"):
        twin = AnchorNet(net.backbone, net.tasks, net.image_shape, num_streams=1)
        features = torch.zeros(1, 1, *net.image_shape)
    call = NormCall("running")
    stem_parameters, stem_macs = 0.0, 0.0
    if twin.stem is not None:
        stem_parameters = float(twin.stem.num_parameters())
        features, stem_macs = _counted(twin.entry, features)
    parameters_L, macs_L, skip = [], [], None
    for layer in range(twin.num_layers):
        block = twin.block(layer, 0)
        features, macs = _counted(block, features, call)
        parameters_L.append(block.num_parameters())
        macs_L.append(macs)
        skip = features if layer == twin.backbone.skip_layer else skip
    heads = [twin.head(task) for task in range(len(twin.tasks))]
    return NodeCosts(
        parameters_LS=_every_stream(parameters_L, net.num_streams),
        macs_LS=_every_stream(macs_L, net.num_streams),
        head_parameters_N=np.array([float(head.num_parameters()) for head in heads]),
        head_macs_N=np.array([_counted(head, features, skip, call)[1] for head in heads]),
        stem_parameters=stem_parameters,
        stem_macs=stem_macs,
    )


def _counted(run: Callable[..., Tensor], *inputs: object) -> tuple[Tensor, float]:
    with FlopCounterMode(display=False) as counter:
        out = run(*inputs)
    return out, counter.get_total_flops() / 2


def _every_stream(cost_L: Sequence[float], num_streams: int) -> Floats:
    return np.repeat(np.array(cost_L, dtype=np.float64)[:, None], num_streams, axis=1)
