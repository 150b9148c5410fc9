"""Whether a trainer waits for its data: images a second of the loader and of the trainer, in one process.

    python -m benchmarks.loader --root DIR                    # the official data below DIR
    python -m benchmarks.loader                               # generated trees in the same layouts
    python -m benchmarks.loader --root DIR --device cuda --full

Per dataset: images a second of the loader, without and with augmentation, and of the trainer, which is one
forward and backward pass of the single-task nets on a batch that stays; the least of some steps in which all
take turns, in CPU seconds on one thread of a CPU and in wall seconds elsewhere. Then both together: "waits"
is the share of the wall time of a training step that passes until its batch is there, with loading inline and
with loading ahead in a background thread.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import torch

from dymu.artifacts.config import changed
from dymu.data.cifar100 import CIFAR100
from dymu.data.examples import DataPlace, Examples, Preparation
from dymu.data.nyuv2 import NYUv2
from dymu.data.splits import Split
from dymu.networks.anchor_net import single_task_nets
from dymu.networks.backbones.mobilenet_v2 import MobileNetV2
from dymu.networks.backbones.protocol import Backbone
from dymu.networks.backbones.resnet9 import ResNet9
from dymu.networks.backbones.resnet34 import ResNet34
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.tree import separate_streams
from dymu.stages.batches import Batches
from dymu.stages.losses import batch_losses
from dymu.stages.randomness import Randomness
from dymu.stages.world import ALONE
from tests.data.cifar100_tree import write_binary
from tests.data.nyud_tree import write_nyud

RANDOM = Randomness(0, "anchor")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A dataset and the anchor that is trained on it.

    Attributes:
        dataset: The config.
        generated: What of it changes on a generated tree, which is smaller.
        backbone: Of the single-task nets.
        batch_size: Examples of a batch; each has N images where every task has its own.
    """

    dataset: CIFAR100 | NYUv2
    generated: dict[str, Any]
    backbone: Backbone
    batch_size: int


# As in the settings for two cores of studies/, and as in the paper.
SMALL = {
    "cifar100": Case(dataset=CIFAR100(), generated={"num_val": 10}, backbone=ResNet9(width=8), batch_size=16),
    "nyuv2": Case(
        dataset=NYUv2(height=120, width=160),
        generated={"num_val": 8},
        backbone=MobileNetV2(),
        batch_size=8,
    ),
}
FULL = {
    "cifar100": Case(dataset=CIFAR100(), generated={"num_val": 10}, backbone=ResNet9(), batch_size=128),
    "nyuv2": Case(dataset=NYUv2(), generated={"num_val": 8}, backbone=ResNet34(), batch_size=16),
}


@dataclass(frozen=True)
class Unaugmented:
    """A preparation that draws nothing."""

    inner: Preparation
    num_draws: int = 0

    def plain(self, *arguments: Any) -> Any:
        """As the inner one."""
        return self.inner.plain(*arguments)

    def augmented(self, *arguments: Any) -> Any:
        """Never asked for."""
        raise AssertionError(arguments)


def write_trees(root: Path) -> None:
    """Data of noise: 60 pictures per task of CIFAR-100, 64 of NYU-v2 at 120x160."""
    write_binary(root, train_per_class=12)
    write_nyud(root, size=(120, 160), train=[f"{number:04d}" for number in range(64)])


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds of a step, and the shares of a training step that pass until its batch is there."""

    plain: float
    augmented: float
    trainer: float
    inline: float
    ahead: float


def measure(case: Case, examples: Examples, device: str, steps: int) -> Measured:
    """All numbers of a case; a first step of each kind warms up and does not count."""
    trained, stored = trainer(case, device), examples.preparation
    assert stored is not None
    with ExitStack() as closing:
        context: Any = SimpleNamespace(world=ALONE, device=device, closing=closing)
        batches = Batches(examples=examples, size=case.batch_size, context=context, random=RANDOM)
        plain = replace(batches, examples=replace(examples, preparation=Unaugmented(stored)))
        still = batches.make(0)
        works: dict[str, Callable[[int], object]] = {
            "plain": plain.make,
            "augmented": batches.make,
            "trainer": lambda _: trained(still),
        }
        taken: dict[str, list[float]] = {name: [] for name in works}
        for number in range(steps + 1):
            for name, work in works.items():
                taken[name].append(seconds(work, number, device))
        inline = share_waited(batches.make, trained, steps, device)
        ahead = share_waited(batches.at, trained, steps, device)
    return Measured(**{name: min(times[1:]) for name, times in taken.items()}, inline=inline, ahead=ahead)


def share_waited(
    load: Callable[[int], Examples], trained: Callable[[Examples], None], steps: int, device: str
) -> float:
    """Share of the wall time of training steps that passes in ``load``."""
    trained(load(0))
    waited = whole = 0.0
    for number in range(1, steps + 1):
        settle(device)
        start = time.perf_counter()
        batch = load(number)
        waited += time.perf_counter() - start
        trained(batch)
        settle(device)
        whole += time.perf_counter() - start
    return waited / whole


def trainer(case: Case, device: str) -> Callable[[Examples], None]:
    """One forward and backward pass of the single-task nets."""
    tasks = case.dataset.tasks
    net = single_task_nets(case.backbone, tasks, case.dataset.input_shape, torch.Generator().manual_seed(0))
    net.to(device).train()
    parents = separate_streams(net.num_layers, len(tasks))

    def train(batch: Examples) -> None:
        net.zero_grad(set_to_none=True)
        predictions = tree_forward(net, batch.images, parents, Conditions("train"))
        batch_losses(tasks, predictions, batch.targets)[0].sum().backward()

    return train


def seconds(work: Callable[[int], object], number: int, device: str) -> float:
    """Seconds of one step: of this thread's CPU if that is all that works, of the clock elsewhere."""
    alone = device == "cpu" and torch.get_num_threads() == 1
    clock = time.thread_time if alone else time.perf_counter
    settle(device)
    start = clock()
    work(number)
    settle(device)
    return clock() - start


def settle(device: str) -> None:
    """Wait for a GPU."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def line(name: str, case: Case, found: Measured) -> str:
    """Images a second and what follows from them."""
    images = case.batch_size * (len(case.dataset.tasks) if isinstance(case.dataset, CIFAR100) else 1)
    plain, augmented, trained = (images / each for each in (found.plain, found.augmented, found.trainer))
    return (
        f"{name:>9} {plain:>10.0f} {augmented:>10.0f} {trained:>10.1f} {augmented / trained:>14.0f} "
        f"{found.inline:>12.2%} {found.ahead:>11.3%}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", type=Path, help="folder of official data; generated trees without")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--full", action="store_true", help="sizes of the paper")
    parser.add_argument("--only", choices=sorted(SMALL), help="this dataset")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=6)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    titles = ("plain im/s", "augm. im/s", "train im/s"), ("loader/trainer", "waits inline", "waits ahead")
    print(f"{'':>9} {' '.join(titles[0])} {' '.join(titles[1])}")
    with TemporaryDirectory() as folder:
        root = asked.root
        if root is None:
            root = Path(folder) / "root"
            write_trees(root)
        for name, case in (FULL if asked.full else SMALL).items():
            if asked.only not in (None, name):
                continue
            dataset = case.dataset if asked.root is not None else changed(case.dataset, case.generated)
            examples = dataset.load(Split.TRAIN, DataPlace(cache_dir=Path(folder) / "cache", root=root))
            found = measure(case, examples, asked.device, asked.steps)
            print(line(name, case, found), flush=True)


if __name__ == "__main__":
    main()
