"""Losses and metrics of predicted networks on a split, doing each distinct piece of work once.

Without adaptation a task's loss depends on its own path alone: distinct paths run once, and paths that begin
alike share their beginning. With adaptation every preference has its own features; its tree runs its
reachable nodes, all preferences side by side.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dymu.data.examples import Examples, draw_batch
from dymu.metrics.task_metrics import metric_of, task_metric, task_statistics
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.forward import Adaptation, Conditions, Path, path_forward, tree_forward
from dymu.networks.norm import NormMode
from dymu.networks.tree import paths
from dymu.objectives.task_losses import LossSums, loss_of_sums, loss_sums, scaled_losses
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.task import Task
from dymu.stages.context import Interrupted, RunContext

Forward = Callable[[Tensor, Conditions], list[Tensor]]

# What an adapted forward pass holds side by side: bounds memory, changes no result.
SIDE_BY_SIDE = 20  # preferences
MOST_PIXELS = 2**23  # of the images of a batch, over all preferences


@dataclass(frozen=True)
class Measurement:
    """What was measured for S networks.

    Attributes:
        losses_SN: Scaled losses, float64.
        metrics: ``<task>/<metric>`` to (S,) values.
    """

    losses_SN: Tensor
    metrics: Mapping[str, Tensor]


class _Sums:
    """Adds losses and metric statistics over batches; one row per prediction of each task."""

    def __init__(self, tasks: tuple[Task, ...]) -> None:
        self.tasks = tasks
        self.losses: list[LossSums] = []
        self.statistics: list[Tensor] = []

    def add(self, predictions: Sequence[Tensor], batch: Examples) -> None:
        first = not self.losses
        for number, (task, prediction) in enumerate(zip(self.tasks, predictions, strict=True)):
            target = batch.targets[task.name]
            sums = loss_sums(task, prediction, target)
            exact = LossSums(sums.total_KP.to(torch.float64).cpu(), sums.count_K.cpu())
            statistics = task_statistics(task, prediction, target).cpu()
            if first:
                self.losses.append(exact)
                self.statistics.append(statistics)
            else:
                self.losses[number] += exact
                self.statistics[number] += statistics

    def rows(self, row_of_SN: Tensor) -> Measurement:
        """The result for S networks, each of which names a row of every task."""
        losses = [loss_of_sums(sums)[row_of_SN[:, number]] for number, sums in enumerate(self.losses)]
        metrics = {
            f"{task.name}/{metric_of(task.kind).name}": task_metric(task, self.statistics[number])[
                row_of_SN[:, number]
            ]
            for number, task in enumerate(self.tasks)
        }
        return Measurement(scaled_losses(self.tasks, torch.stack(losses, dim=1)), metrics)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What networks are measured on.

    Attributes:
        examples: The split that is measured.
        calibration: Training examples for recalibrated statistics.
        protocol: Batch size and statistics.
        context: Device, draws of calibration batches, and whether to stop.
    """

    examples: Examples
    calibration: Examples
    protocol: EvaluationConfig
    context: RunContext

    def batches(self) -> list[Tensor]:
        """Positions of the measured examples, batch by batch; a last batch of one joins the one before."""
        parts = list(torch.arange(len(self.examples)).split(self.protocol.batch_size))
        if len(parts) > 1 and len(parts[-1]) == 1:
            parts[-2:] = [torch.cat(parts[-2:])]
        return parts

    def calibration_batches(self) -> list[Tensor]:
        """Positions of the training batches whose statistics replace the anchor's."""
        random = self.context.random
        return [
            draw_batch(len(self.calibration), self.protocol.batch_size, random.torch("recalibration", number))
            for number in range(self.protocol.recalibration_batches)
        ]


@torch.no_grad()
def measure(net: AnchorNet, parents_SLN: Tensor, adaptation: Adaptation | None, bench: Bench) -> Measurement:
    """Losses and metrics of S predicted networks.

    Args:
        net: Anchor net or shared backbone.
        parents_SLN: Trees, on the CPU.
        adaptation: Perturbations with S rows, or ``None``.
        bench: Data and protocol.
    """
    if adaptation is None:
        return _measure_paths(net, paths(parents_SLN), bench)
    parts = []
    for rows in torch.arange(len(parents_SLN)).split(side_by_side(bench)):
        part = Adaptation(adaptation.scale_PD[rows], adaptation.shift_PD[rows])
        parts.append(_measure_trees(net, parents_SLN[rows], part, bench))
    metrics = {name: torch.cat([part.metrics[name] for part in parts]) for name in parts[0].metrics}
    return Measurement(torch.cat([part.losses_SN for part in parts]), metrics)


def side_by_side(bench: Bench) -> int:
    """Preferences that an adapted forward pass takes at once."""
    images = bench.examples.images
    per_image = images[0].numel() // images.shape[-3]
    in_batch = min(bench.protocol.batch_size, len(images)) * per_image
    return max(1, min(SIDE_BY_SIDE, MOST_PIXELS // in_batch))


def _measure_trees(net: AnchorNet, parents_PLN: Tensor, adaptation: Adaptation, bench: Bench) -> Measurement:
    def forward(images_BCHW: Tensor, conditions: Conditions) -> list[Tensor]:
        return tree_forward(net, images_BCHW, parents_PLN, conditions)

    sums = _run(forward, adaptation, net.tasks, bench)
    return sums.rows(torch.arange(len(parents_PLN))[:, None].expand(-1, len(net.tasks)))


def _measure_paths(net: AnchorNet, paths_SNL: Tensor, bench: Bench) -> Measurement:
    wanted: list[list[Path]] = [
        sorted({tuple(path) for path in paths_SNL[:, task].tolist()}) for task in range(len(net.tasks))
    ]

    def forward(images_BCHW: Tensor, conditions: Conditions) -> list[Tensor]:
        return path_forward(net, images_BCHW, wanted, conditions)

    sums = _run(forward, None, net.tasks, bench)
    row_of_SN = torch.tensor(
        [[wanted[task].index(tuple(path)) for task, path in enumerate(row)] for row in paths_SNL.tolist()]
    )
    return sums.rows(row_of_SN)


def _run(forward: Forward, adaptation: Adaptation | None, tasks: tuple[Task, ...], bench: Bench) -> _Sums:
    mode: NormMode = bench.protocol.statistics if bench.protocol.statistics != "recalibrated" else "replay"
    conditions = Conditions(mode, adaptation)
    device = bench.context.device
    if mode == "replay":
        collecting = Conditions("collect", adaptation, conditions.memory)
        for index_B in bench.calibration_batches():
            forward(bench.calibration.batch(index_B, device).images, collecting)
    sums = _Sums(tasks)
    for index_B in bench.batches():
        if bench.context.stop_requested():
            raise Interrupted(bench.context.step.address)
        batch = bench.examples.batch(index_B, device)
        sums.add(forward(batch.images, conditions), batch)
    return sums
