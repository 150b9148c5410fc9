"""What it costs to switch a controller to another preference, and whether latency follows MACs.

    python benchmarks/controller.py                          # digits, NYU-v2 small and full, CIFAR-100
    python benchmarks/controller.py --sizes digits --trees 50
    python benchmarks/controller.py --address evaluate/0a1b2c3d4e5f6071 --store .dymu

Structure decides both, so controllers have the sizes of studies and random numbers unless an address names a
trained one. Switching is all of it: tree, adaptation and a module put together, at preferences that the
controller has not seen before; ``separate`` is the same for N trees that share nothing, the most nodes there
can be. Latency is the best of several runs, with the anchor's statistics, of random trees spread over all
MACs that a tree can have, on so many images that the arithmetic and not the calls take the time. One
process; times are CPU time of its thread, so that it should have one.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import psutil
import scipy.stats
import torch
from torch import Tensor

import dymu
from dymu.metrics.cost import reachable
from dymu.networks.anchor_net import single_task_nets
from dymu.networks.controller import Controller
from dymu.networks.costs import node_costs
from dymu.networks.edge_hypernet import make_edge_hypernet
from dymu.networks.forward import Adaptation
from dymu.networks.node_heads import NodeHeads
from dymu.networks.predicted_network import PredictedNetwork
from dymu.networks.preference_embedding import HypernetConfig
from dymu.networks.shared_nodes import SharedNodes
from dymu.networks.tree import separate_streams
from dymu.networks.weight_hypernet import make_weight_hypernet
from dymu.product.controller import TrainedController
from dymu.spec.study import Study
from dymu.stages.tree_cost import tree_costs
from studies import cifar100, digits, nyuv2

_STUDIES = {"digits": digits.ours, "nyuv2-small": nyuv2.small, "nyuv2": nyuv2.ours, "cifar100": cifar100.ours}
_SWITCHES = 200
_POOL = 400  # trees that those of the latency measurement are chosen from
_LEAST_S, _MOST_IMAGES = 0.1, 64  # what one image more or less hardly changes
_LONG_S = 0.5  # runs of a network that together take longer are enough


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Milliseconds over many calls."""

    median: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:7.2f} {self.high:7.2f}"


def untrained(study: Study) -> TrainedController:
    """A controller of a study's size whose trees and scales are random functions of the preference."""
    generator = torch.Generator().manual_seed(0)
    dataset, recipe = study.dataset, study.method.anchor  # type: ignore[attr-defined]
    net = single_task_nets(recipe.backbone, dataset.tasks, dataset.input_shape, generator)
    size = HypernetConfig(embedding_std=3.0)
    edge = make_edge_hypernet(size, generator, num_tasks=len(net.tasks), num_layers=net.num_layers)
    weight = make_weight_hypernet(HypernetConfig(), net, generator)
    with torch.no_grad():
        weight.heads.weight.normal_(0.0, 0.01, generator=generator)
    for module in (net, edge, weight):
        module.requires_grad_(False)
    return TrainedController(Controller(net.eval(), edge, weight), source=study.name)


def preferences(num_tasks: int, count: int) -> Iterator[tuple[list[float], float]]:
    """Random r and c, none of them twice."""
    generator = np.random.default_rng(1)
    for _ in range(count):
        shares = generator.dirichlet(np.ones(num_tasks))
        yield (shares / shares.sum()).tolist(), float(generator.uniform())


def timed(call: Callable[[list[float], float], object], asked: Sequence[tuple[list[float], float]]) -> Spread:
    """Of one call at each preference."""
    spent = []
    for task_preference, resource in asked:
        began = time.thread_time()
        call(task_preference, resource)
        spent.append(1e3 * (time.thread_time() - began))
    return Spread(median=float(np.median(spent)), high=float(np.quantile(spent, 0.95)))


def switching(name: str, controller: TrainedController) -> None:
    """Print what each part of a switch takes."""
    asked = list(preferences(len(controller.tasks), _SWITCHES))
    parts, nodes = controller.parts, SharedNodes(controller.parts.net)
    separate = separate_streams(parts.net.num_layers, len(controller.tasks))[0]
    used = nodes.used(separate)
    heads = None if parts.weight is None else NodeHeads(parts.weight, parts.net)

    def adapt(task_preference: list[float], resource: float) -> dict[int, Adaptation]:
        return (
            {}
            if heads is None
            else heads.adaptations(torch.tensor([task_preference]), resource, used.numbers)
        )

    adapted = adapt(*asked[0])

    def assemble(*_: object) -> PredictedNetwork:
        return PredictedNetwork(nodes, used, adapted)

    assemble()  # makes every node once
    for task_preference, resource in asked[:20]:
        controller.network(task_preference, resource, statistics="batch")
    counts = [len(controller.architecture(*one).nodes) for one in asked]
    print(
        f"{name}: {parts.net.num_parameters() / 1e6:.2f}M parameters, "
        f"{parts.num_control_parameters() / 1e6:.2f}M in hypernets, "
        f"{np.mean(counts):.0f} of {separate.numel()} nodes used"
    )
    measured = {
        "architecture": timed(controller.architecture, asked),
        "adaptation, separate": timed(adapt, asked),
        "switch": timed(lambda r, c: controller.network(r, c, statistics="batch"), asked),
        "assembly, separate": timed(assemble, asked),
        "budget query": timed(lambda r, _: controller.within(r, parameters=float("inf")), asked[:20]),
    }
    for what, spread in measured.items():
        print(f"  {what:20} {spread}")


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """Of several trees.

    Attributes:
        images: How many pass at once.
        macs: Multiply-accumulates an image, by tree.
        milliseconds: For all images, by tree.
    """

    images: int
    macs: list[float]
    milliseconds: list[float]


def partial_trees(num_layers: int, num_tasks: int, count: int) -> Tensor:
    """(count, L, N) trees in which each task leaves the first one's stream at a random layer."""
    generator = torch.Generator().manual_seed(3)
    leaves_SN = torch.randint(0, num_layers + 1, (count, num_tasks), generator=generator)
    shared_SLN = torch.arange(num_layers)[None, :, None] < leaves_SN[:, None]
    return torch.where(shared_SLN, 0, torch.arange(num_tasks))


def latencies(controller: TrainedController, trees: int, runs: int) -> Latencies:
    """Of networks whose trees are spread over all MACs that a tree can have."""
    nodes = SharedNodes(controller.parts.net)
    pool_SLN = partial_trees(controller.parts.net.num_layers, len(controller.tasks), _POOL)
    macs_S = tree_costs(reachable(pool_SLN.numpy()), node_costs(controller.parts.net)).macs_S
    order = np.argsort(macs_S, kind="stable")
    chosen = order[np.linspace(0, _POOL - 1, trees).round().astype(int)]
    networks = [
        PredictedNetwork(nodes, nodes.used(pool_SLN[index]), {}, statistics="running") for index in chosen
    ]
    generator = torch.Generator().manual_seed(2)
    one = torch.randn(1, *controller.image_shape, generator=generator)
    count = min(_MOST_IMAGES, max(1, int(_LEAST_S / best(networks[0], one, runs))))
    images = torch.randn(count, *controller.image_shape, generator=generator)
    return Latencies(
        images=count,
        macs=macs_S[chosen].tolist(),
        milliseconds=[1e3 * best(network, images, runs) for network in networks],
    )


@torch.no_grad()
def best(network: PredictedNetwork, images: Tensor, runs: int) -> float:
    """Seconds of the fastest of several runs; the first one warms up."""
    network(images)
    spent: list[float] = []
    while len(spent) < runs and sum(spent) < _LONG_S:
        began = time.thread_time()
        network(images)
        spent.append(time.thread_time() - began)
    return min(spent)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time switching, and latency against MACs.")
    parser.add_argument("--sizes", nargs="+", default=list(_STUDIES), choices=list(_STUDIES))
    parser.add_argument("--address", help="a trained controller instead")
    parser.add_argument("--store", help="where it is")
    parser.add_argument("--trees", type=int, default=24, help="of the latency measurement; 0 for none")
    parser.add_argument("--runs", type=int, default=5, help="of which the best counts")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{os.cpu_count()} cores, one thread, load {psutil.getloadavg()[0]:.1f}, "
        f"torch {torch.__version__}; ms, median and 95th percentile"
    )
    for name in [arguments.address] if arguments.address else arguments.sizes:
        trained = name == arguments.address
        controller = dymu.load(name, store=arguments.store) if trained else untrained(_STUDIES[name])
        switching(name, controller)
        if arguments.trees > 0:
            found = latencies(controller, arguments.trees, arguments.runs)
            macs, milliseconds = found.macs, found.milliseconds
            linear = np.corrcoef(macs, milliseconds)[0, 1]
            ranked = scipy.stats.spearmanr(macs, milliseconds).statistic
            print(
                f"  {len(macs)} trees, {found.images} images at once: {min(milliseconds):.1f} to "
                f"{max(milliseconds):.1f} ms at {min(macs) / 1e6:.1f}M to {max(macs) / 1e6:.1f}M MACs an "
                f"image; correlation {linear:.3f}, of ranks {ranked:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
