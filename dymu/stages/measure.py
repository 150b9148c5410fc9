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
from dymu.networks.forward import Adaptation, Conditions, Path, in_turns, path_forward, tree_forward
from dymu.networks.norm import NormMode
from dymu.networks.tree import paths
from dymu.objectives.task_losses import LossSums, loss_of_sums, loss_sums, scaled_losses
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.task import Task
from dymu.stages.context import Interrupted, RunContext
from dymu.stages.inputs import dataset_of

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

    def of_task(self, number: int) -> Measurement:
        """The result of one task, all predictions in order, losses (P, 1)."""
        task, loss_P = self.tasks[number], loss_of_sums(self.losses[number])
        metric_P = task_metric(task, self.statistics[number])
        return Measurement(scaled_losses([task], loss_P[:, None]), {_metric_name(task): metric_P})

    def whole(self) -> Measurement:
        """The result for P networks, all predictions in order."""
        parts = [self.of_task(number) for number in range(len(self.tasks))]
        metrics = {name: value for part in parts for name, value in part.metrics.items()}
        return Measurement(torch.cat([part.losses_SN for part in parts], dim=1), metrics)


def _metric_name(task: Task) -> str:
    return f"{task.name}/{metric_of(task.kind).name}"


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
        order = torch.arange(len(self.examples))
        if self.protocol.order == "shuffled":
            generator = torch.Generator().manual_seed(self.protocol.preference_seed)
            order = torch.randperm(len(order), generator=generator)
        parts = list(order.split(self.protocol.batch_size))
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


@torch.no_grad()
def measure_once(predict: Callable[[Tensor], list[Tensor]], bench: Bench) -> Measurement:
    """Losses and metrics of one predictor that is no network: images to predictions (B, 1, ...) per task."""
    tasks = dataset_of(bench.context.step).tasks
    return _run(lambda images, _conditions: predict(images), None, tasks, bench).whole()


def side_by_side(bench: Bench) -> int:
    """Preferences that an adapted forward pass takes at once."""
    images = bench.examples.images
    num_images = images.shape[1] if images.ndim == 5 else 1
    return min(SIDE_BY_SIDE, networks_at_once(images, bench.protocol.batch_size * num_images))


def networks_at_once(images: Tensor, batch_size: int) -> int:
    """Networks, or paths through nets, that a forward pass may take at once: a bound on memory."""
    return max(1, MOST_PIXELS // (min(batch_size, images.shape[0]) * images.shape[-2] * images.shape[-1]))


def _measure_trees(net: AnchorNet, parents_PLN: Tensor, adaptation: Adaptation, bench: Bench) -> Measurement:
    def forward(images_BCHW: Tensor, conditions: Conditions) -> list[Tensor]:
        return tree_forward(net, images_BCHW, parents_PLN, conditions)

    return _run(forward, adaptation, net.tasks, bench).whole()


def _measure_paths(net: AnchorNet, paths_SNL: Tensor, bench: Bench) -> Measurement:
    wanted: list[list[Path]] = [
        sorted({tuple(path) for path in paths_SNL[:, task].tolist()}) for task in range(len(net.tasks))
    ]

    rows: list[list[Measurement]] = [[] for _ in net.tasks]
    for turn in in_turns(wanted, networks_at_once(bench.examples.images, bench.protocol.batch_size)):
        tasks = tuple(task for task, mine in zip(net.tasks, turn, strict=True) if mine)

        def forward(images: Tensor, conditions: Conditions, turn: list[list[Path]] = turn) -> list[Tensor]:
            found = path_forward(net, images, turn, conditions)
            return [prediction for prediction, mine in zip(found, turn, strict=True) if mine]

        sums = _run(forward, None, tasks, bench)
        for number, task in enumerate(tasks):
            rows[net.tasks.index(task)].append(sums.of_task(number))
    losses, metrics = [], {}
    for number, task in enumerate(net.tasks):
        of_path = {path: index for index, path in enumerate(wanted[number])}
        row_S = torch.tensor([of_path[tuple(path)] for path in paths_SNL[:, number].tolist()])
        losses.append(torch.cat([part.losses_SN for part in rows[number]])[row_S])
        name = _metric_name(task)
        metrics[name] = torch.cat([part.metrics[name] for part in rows[number]])[row_S]
    return Measurement(torch.cat(losses, dim=1), metrics)


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
