"""Which way of running a layer of N frozen streams is fastest on this machine.

One training step of the edge stage without its losses: ResNet-9 streams mixed by parent probabilities,
forward, and backward to the probabilities. Loop, grouped convolution and vmap are those of
dymu/networks/streams.py; im2col with one batched matrix product (bmm) stands here only. In float64 all of
them must give the loop's output and gradient, or the script ends with an error; the table has the difference
in float32. Seconds are of this machine, CPU seconds on a CPU and wall seconds elsewhere, the least of some
rounds in which all take turns; the ratios are what counts.

    python benchmarks/streams.py                      # the CPU, one thread, under two minutes
    python benchmarks/streams.py --device cuda --width 64 --size 32 --batch 128 --repeats 10
"""

import argparse
import copy
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional

from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.protocol import Block
from dymu.networks.backbones.resnet9 import ResNet9
from dymu.networks.norm import NormCall
from dymu.networks.streams import Runner, grouped, loop, vmap
from dymu.spec.task import Task

RELATIVE_BOUND = 1e-9  # of the largest entry, for outputs and gradients in float64


class BmmConv(nn.Module):
    """The convolutions of S streams as patches in columns and one batched product.

    Features come as (X * S, C, H, W), the streams varying fastest.
    """

    def __init__(self, convs: Sequence[nn.Conv2d]) -> None:
        super().__init__()
        self.conv, self.count = convs[0], len(convs)
        self.weights = torch.stack([conv.weight.detach().flatten(1) for conv in convs])

    def forward(self, features: Tensor) -> Tensor:
        """(X * S, C', H', W')."""
        conv, count, (height, width) = self.conv, self.count, features.shape[-2:]  # 3x3, nothing lost
        columns = functional.unfold(features, conv.kernel_size, padding=1)
        by_stream = columns.unflatten(0, (-1, count)).permute(1, 2, 0, 3).flatten(2)
        out = torch.bmm(self.weights, by_stream).unflatten(2, (-1, height, width))
        return out.permute(2, 0, 1, 3, 4).flatten(0, 1)


class StreamsNorm(nn.Module):
    """Batch normalisation by batch statistics of S streams that vary fastest along P."""

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> None:
        super().__init__()
        self.weight, self.bias = torch.cat(list(weights)).detach(), torch.cat(list(biases)).detach()
        self.count = len(weights)

    def forward(self, features_BPCHW: Tensor, call: NormCall) -> Tensor:  # noqa: ARG002
        """Shape as given."""
        size_P = features_BPCHW.shape[1] // self.count
        weight, bias = self.weight.repeat(size_P), self.bias.repeat(size_P)
        flat = features_BPCHW.flatten(1, 2)
        out = functional.batch_norm(flat, None, None, weight, bias, True, 0.0, 1e-5)
        return out.reshape(features_BPCHW.shape)


def bmm(blocks: Sequence[Block], inputs: Sequence[Tensor], calls: Sequence[NormCall]) -> list[Tensor]:
    """A layer of ResNet-9 streams by im2col and bmm."""
    convs, norms = [block.conv for block in blocks], [block.norm for block in blocks]
    replaced: dict[int, object] = {
        id(convs[0]): BmmConv(convs),  # type: ignore[arg-type]
        id(norms[0]): StreamsNorm([norm.weight for norm in norms], [norm.bias for norm in norms]),  # type: ignore[union-attr, misc]
    }
    block = copy.deepcopy(blocks[0], replaced)
    out: Tensor = block(torch.stack(list(inputs), dim=2).flatten(1, 2), calls[0])
    return list(out.unflatten(1, (-1, len(blocks))).unbind(2))


RUNNERS: dict[str, Runner] = {"loop": loop, "grouped": grouped, "vmap": vmap, "im2col-bmm": bmm}


def step(net: AnchorNet, images_BCHW: Tensor, logits_PLNN: Tensor, run: Runner) -> tuple[Tensor, Tensor]:
    """Last features of all streams and the gradient of the logits of the parents."""
    logits = logits_PLNN.detach().requires_grad_()
    parents_PLNN = logits.softmax(dim=-1)
    inputs = [images_BCHW.unsqueeze(1)] * net.num_streams
    for layer in range(net.num_layers):
        blocks = [net.block(layer, stream) for stream in range(net.num_streams)]
        outputs = torch.stack(run(blocks, inputs, [NormCall("batch")] * len(blocks)))
        expanded = outputs.expand(-1, -1, len(logits), -1, -1, -1)
        inputs = list(torch.einsum("pji,ibpchw->jbpchw", parents_PLNN[:, layer], expanded))
    features = torch.stack(inputs)
    features.square().mean().backward()
    assert logits.grad is not None
    return features.detach(), logits.grad


def gap(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> float:
    """Largest difference relative to the largest entry, over outputs and gradients."""
    return max(
        float((one - other).abs().max() / other.abs().max())
        for one, other in zip(found, expected, strict=True)
    )


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """CPU seconds on a CPU, which others on the machine disturb less; wall seconds on another device."""
    if device.type == "cpu":
        start = time.process_time()
        work()
        return time.process_time() - start
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    torch.cuda.synchronize(device)
    return time.perf_counter() - start


def make_net(num_streams: int, width: int, size: int, device: torch.device) -> AnchorNet:
    """Frozen ResNet-9 streams that differ."""
    tasks = tuple(Task(name=f"task_{n}", kind="classification", num_outputs=5) for n in range(num_streams))
    generator = torch.Generator().manual_seed(0)
    net = single_task_nets(
        ResNet9(width=width), tasks, (3, size, size), generator, common_initialisation=False
    )
    return net.requires_grad_(False).to(device)


def main() -> None:
    """Print seconds and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--streams", type=int, nargs="+", default=[3, 5, 20])
    parser.add_argument("--width", type=int, default=16, help="channels of the first convolution")
    parser.add_argument("--size", type=int, default=16, help="height and width of the images")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--preferences", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    generator = torch.Generator().manual_seed(1)
    table = Table("streams", "how", "s a step", "ratio to the loop", "largest relative difference")
    for count in arguments.streams:
        net = make_net(count, arguments.width, arguments.size, device)
        images = torch.randn(arguments.batch, 3, arguments.size, arguments.size, generator=generator)
        logits = torch.randn(arguments.preferences, net.num_layers, count, count, generator=generator)
        images, logits = images.to(device), logits.to(device)
        precise = copy.deepcopy(net).double(), images.double(), logits.double()
        expected = step(*precise, loop)
        for name, run in RUNNERS.items():
            difference = gap(step(*precise, run), expected)
            if difference > RELATIVE_BOUND:
                sys.exit(f"{name} differs from the loop by {difference:.1e}, over {RELATIVE_BOUND:.0e}.")
        works = {name: partial(step, net, images, logits, run) for name, run in RUNNERS.items()}
        differences = {name: gap(work(), works["loop"]()) for name, work in works.items()}
        rounds = [
            {name: seconds(work, device) for name, work in works.items()} for _ in range(arguments.repeats)
        ]
        best = {name: min(times[name] for times in rounds) for name in works}
        for name, taken in best.items():
            ratio = f"{taken / best['loop']:.2f}"
            table.add_row(str(count), name, f"{taken:.3f}", ratio, f"{differences[name]:.1e}")
    where = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{arguments.threads} CPU threads"
    )
    Console().print(
        f"{where}; ResNet-9 of width {arguments.width}, {arguments.size}x{arguments.size}, "
        f"{arguments.batch} images, {arguments.preferences} preferences, forward and backward"
    )
    Console().print(table)


if __name__ == "__main__":
    main()
