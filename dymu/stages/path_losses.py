"""The table of the tabulated edge objective: each task's loss along every path through the anchor net.

Without adaptation a task's loss depends on its own path alone, so N^L numbers per task hold all that the
expected task loss under independent parent choices needs. Feasible up to about 1e5 paths.
"""

import itertools

import torch
from torch import Tensor

from dymu.artifacts.config import check, config
from dymu.artifacts.step import Step
from dymu.data.examples import Examples, draw_batch
from dymu.data.splits import Split
from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.forward import Conditions, Path, in_turns, path_forward
from dymu.objectives.task_losses import grouped_task_loss
from dymu.stages.anchor import load_anchor
from dymu.stages.context import Interrupted, RunContext
from dymu.stages.measure import networks_at_once
from dymu.stages.tensors import load_tensor, save_tensors

STAGE = "path_losses"
REVISION = 1
FILE = "path_losses.safetensors"
MAX_PATHS = 100_000


@config
class PathLossConfig:
    """Configuration of the table.

    Attributes:
        num_images: Training images over which losses are averaged.
        batch_size: Images a pass; part of the result, because statistics are those of the batch.
    """

    num_images: int = 400
    batch_size: int = 50

    def __post_init__(self) -> None:
        check(self.num_images >= 2, self, "num_images", "at least 2")
        check(self.batch_size >= 2, self, "batch_size", "at least 2")


def path_losses_step(settings: PathLossConfig, *, anchor: Step) -> Step:
    """The step that fills the table.

    Raises:
        SpecError: If there are too many paths.
    """
    num_tasks, num_layers = len(anchor.config.dataset.tasks), anchor.config.recipe.backbone.num_layers
    if num_tasks**num_layers > MAX_PATHS:
        raise SpecError(
            f"the tabulated objective needs {num_tasks}^{num_layers} paths, more than {MAX_PATHS}; "
            "set method.edge.objective to 'minibatch'."
        )
    return Step(
        stage=STAGE,
        revision=REVISION,
        config=settings,
        run=run_path_losses,
        inputs={"anchor": anchor},
        seed=anchor.seed,
    )


def run_path_losses(step: Step, context: RunContext) -> None:
    """Fill the table; publishes ``path_losses`` (N tasks, N, ..., N), one axis per layer, layer 0 first."""
    settings: PathLossConfig = step.config
    anchor = step.inputs["anchor"]
    tasks = anchor.config.dataset.tasks
    examples: Examples = anchor.config.dataset.load(Split.TRAIN, context.data)
    examples.require(tasks)
    net = load_anchor(anchor, context)
    every_path = list(itertools.product(range(len(tasks)), repeat=net.num_layers))
    index = draw_batch(len(examples), settings.num_images, context.random.torch("images"))
    total = torch.zeros(len(tasks) * len(every_path), dtype=torch.float64)
    parts = [part for part in index.split(settings.batch_size) if len(part) >= 2]
    for number, index_B in enumerate(parts):
        if context.stop_requested():
            raise Interrupted(step.address)
        batch = examples.batch(index_B, context.device)
        losses = _of_paths(net, batch, every_path)
        total += torch.cat(losses).cpu().to(torch.float64) * len(index_B)
        context.spool.progress(number + 1, len(parts))
    mean = total / sum(len(part) for part in parts)
    table = mean.reshape(len(tasks), *[len(tasks)] * net.num_layers)
    save_tensors({"path_losses": table}, context.out_dir / FILE)


@torch.no_grad()
def _of_paths(net: AnchorNet, batch: Examples, every_path: list[Path]) -> list[Tensor]:
    """Per task the scaled losses of all paths in order on one batch."""
    losses: list[list[Tensor]] = [[] for _ in net.tasks]
    wanted = [every_path] * len(net.tasks)
    for turn in in_turns(wanted, networks_at_once(batch.images, len(batch)) * len(net.tasks)):
        predictions = path_forward(net, batch.images, turn, Conditions("batch"))
        for number, (task, prediction) in enumerate(zip(net.tasks, predictions, strict=True)):
            if turn[number]:
                loss_P = grouped_task_loss(task, prediction, batch.targets[task.name])
                losses[number].append(task.loss_weight * loss_P)
    return [torch.cat(of_task) for of_task in losses]


def load_path_losses(context: RunContext) -> Tensor:
    """The table of the step's input, float32."""
    table = load_tensor(context.input_dirs["path_losses"] / FILE, "path_losses")
    return table.to(torch.float32).to(context.device)


def expected_losses(table: Tensor, parent_probs_PLNN: Tensor) -> Tensor:
    """Expected loss of every task when each node chooses its parent independently.

    Exact, because a path meets each layer once and so no choice twice.

    Args:
        table: (N, N, ..., N): task, then stream at layers 0 to L-1.
        parent_probs_PLNN: [preference, layer, child, parent].

    Returns:
        (P, N) expected scaled losses.
    """
    size_P, num_layers, num_tasks, _ = parent_probs_PLNN.shape
    # weight_PNs...: probability of the streams chosen so far, from the head downwards.
    weight = parent_probs_PLNN[:, -1]  # (P, task, stream at L-1)
    for layer in reversed(range(num_layers - 1)):
        # New last axis: the parent at `layer` of the stream on the present last axis.
        choice = parent_probs_PLNN[:, layer]
        shape = (size_P, *[1] * (weight.dim() - 2), num_tasks, num_tasks)
        weight = weight.unsqueeze(-1) * choice.reshape(shape)
    streams_down = list(range(num_layers, 0, -1))  # table axes in the order of weight's: layer L-1 first
    aligned = table.permute(0, *streams_down)
    return (weight * aligned.unsqueeze(0)).flatten(2).sum(dim=2)
