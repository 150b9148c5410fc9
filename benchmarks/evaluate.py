"""How much work the evaluation saves by doing each distinct piece once.

Both sides measure the same predicted networks on the same images in this process: by distinct paths with
shared beginnings, and preference by preference. The ratio is what counts; times are of this machine.

    python benchmarks/evaluate.py
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from rich.console import Console
from rich.table import Table

from dymu.data.examples import DataPlace, Examples
from dymu.data.splits import Split
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.forward import Conditions, path_forward, tree_forward
from dymu.networks.tree import paths
from studies.digits import BACKBONE, ours
from studies.scenes import BACKBONE as SCENES_BACKBONE
from studies.scenes import ours as scenes

PREFERENCES = 40  # 20 task preferences at c = 0 and c = 1
BATCH = 100


def trees(net: AnchorNet, distinct: int, generator: torch.Generator) -> torch.Tensor:
    """(40, L, N) random trees of which ``distinct`` differ."""
    num_tasks = len(net.tasks)
    some = torch.randint(num_tasks, (distinct, net.num_layers, num_tasks), generator=generator)
    return some[torch.arange(PREFERENCES) % distinct]


@torch.no_grad()
def by_preference(net: AnchorNet, images: torch.Tensor, parents: torch.Tensor) -> list[torch.Tensor]:
    """Every preference by itself: its tree's reachable nodes, nothing shared with other preferences."""
    parts = [tree_forward(net, images, parents[[row]], Conditions("batch")) for row in range(len(parents))]
    return [torch.cat([part[task] for part in parts], dim=1) for task in range(len(net.tasks))]


@torch.no_grad()
def by_path(net: AnchorNet, images: torch.Tensor, parents: torch.Tensor) -> list[torch.Tensor]:
    """As ``stages/measure.py`` does it."""
    paths_SNL = paths(parents)
    wanted = [sorted({tuple(path) for path in paths_SNL[:, task].tolist()}) for task in range(len(net.tasks))]
    out = path_forward(net, images, wanted, Conditions("batch"))
    rows = [
        [wanted[task].index(tuple(path)) for path in paths_SNL[:, task].tolist()]
        for task in range(len(net.tasks))
    ]
    return [prediction[:, row] for prediction, row in zip(out, rows, strict=True)]


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Least CPU time of some repeats."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    table = Table(
        "study", "distinct trees of 40", "by preference, s", "by path, s", "ratio", "largest difference"
    )
    for study, backbone in ((ours, BACKBONE), (scenes, SCENES_BACKBONE)):
        with TemporaryDirectory() as folder:
            examples: Examples = study.dataset.load(Split.VAL, DataPlace(cache_dir=Path(folder)))
        images = examples.images[:BATCH]
        generator = torch.Generator().manual_seed(0)
        net = single_task_nets(backbone, study.dataset.tasks, study.dataset.input_shape, generator)
        for distinct in (1, 10, 20, 40):
            parents = trees(net, distinct, generator)
            alone, shared = by_preference(net, images, parents), by_path(net, images, parents)
            gap = max(float((a - b).abs().max()) for a, b in zip(alone, shared, strict=True))
            slow = seconds(partial(by_preference, net, images, parents), repeats)
            fast = seconds(partial(by_path, net, images, parents), repeats)
            row = (
                study.name,
                str(distinct),
                f"{slow:.3f}",
                f"{fast:.3f}",
                f"{slow / fast:.1f}",
                f"{gap:.1e}",
            )
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
