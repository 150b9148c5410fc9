"""Building modules without global randomness: structure first, numbers from a generator."""

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from dymu.networks.norm import Norm

M = TypeVar("M", bound=nn.Module)


def build(make: Callable[[], M], generator: torch.Generator) -> M:
    """Make a module and fill it with numbers from ``generator``.

    Convolutions and linear layers get He initialisation (gain for ReLU, fan-in for linear layers and fan-out
    for convolutions), biases zero, normalisations scale 1 and shift 0.
    """
    with torch.device("meta"):
        module = make()
    module = module.to_empty(device="cpu")
    with torch.no_grad():
        for part in module.modules():
            _fill(part, generator)
    return module


def _fill(part: nn.Module, generator: torch.Generator) -> None:
    if isinstance(part, nn.Conv2d):
        fan_out = part.out_channels * part.kernel_size[0] * part.kernel_size[1] // part.groups
        part.weight.normal_(0.0, math.sqrt(2.0 / fan_out), generator=generator)
        if part.bias is not None:
            part.bias.zero_()
    elif isinstance(part, nn.Linear):
        bound = math.sqrt(6.0 / part.in_features)
        part.weight.uniform_(-bound, bound, generator=generator)
        if part.bias is not None:
            part.bias.zero_()
    elif isinstance(part, Norm):
        part.running_mean.zero_()
        part.running_var.fill_(1.0)
        if part.weight is not None and part.bias is not None:
            part.weight.fill_(1.0)
            part.bias.zero_()
