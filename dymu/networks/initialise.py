"""Building modules without global randomness: structure first, numbers from a generator."""

import math
from collections.abc import Callable, Collection
from itertools import chain
from typing import TypeVar

import torch
from torch import nn

from dymu.networks.norm import Norm

M = TypeVar("M", bound=nn.Module)


class OutputConvolution(nn.Conv2d):
    """The last convolution of a head: weights start so small that every prediction starts near zero.

    He initialisation by fan-out, which the others get, would make the logits of a one-channel task start at a
    standard deviation of more than ten.
    """

    initial_std = 0.01


def build(make: Callable[[], M], generator: torch.Generator, *, caller_fills: Collection[str] = ()) -> M:
    """Make a module and fill it with numbers from ``generator``.

    Convolutions and linear layers get He initialisation (gain for ReLU, fan-in for linear layers and fan-out
    for convolutions; :class:`OutputConvolution` small numbers), biases zero, normalisations scale 1, shift 0.

    Args:
        make: Constructs the module; the numbers that it writes are lost.
        generator: Source of the numbers.
        caller_fills: Names of parameters that the caller fills; they are NaN until then.

    Raises:
        TypeError: If the module has another parameter or buffer that nothing here fills.
    """
    with torch.device("meta"):
        module = make()
    module = module.to_empty(device="cpu")
    tensors = dict(chain(module.named_parameters(), module.named_buffers()))
    with torch.no_grad():
        for tensor in tensors.values():
            tensor.fill_(math.nan if tensor.is_floating_point() else 0)
        for part in module.modules():
            _fill(part, generator)
    for name, tensor in tensors.items():
        if name not in caller_fills and (not tensor.is_floating_point() or bool(tensor.isnan().any())):
            raise TypeError(
                f"{type(module).__name__}.{name} is not initialised: only convolutions, linear layers and "
                "dymu's Norm are; use these, or extend dymu.networks.initialise."
            )
    return module


def _fill(part: nn.Module, generator: torch.Generator) -> None:
    if isinstance(part, nn.Conv2d):
        fan_out = part.out_channels * part.kernel_size[0] * part.kernel_size[1] // part.groups
        is_output = isinstance(part, OutputConvolution)
        std = OutputConvolution.initial_std if is_output else math.sqrt(2.0 / fan_out)
        part.weight.normal_(0.0, std, generator=generator)
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
