"""One stream of the anchor net, trained by itself: a part of the anchor stage.

The single-task nets of an anchor know nothing of each other, so each can be trained elsewhere. A part draws
what the anchor stage draws (its own stream's initial numbers among those of all, and the same batches), and
so ends with the same bits. Its artifact serves nothing but to be put together (:mod:`dymu.stages.anchor`).
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from dymu.artifacts.config import check, config
from dymu.artifacts.step import Step
from dymu.data.examples import Examples
from dymu.data.splits import Split
from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.protocol import Backbone
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.tree import shared_stream
from dymu.spec.dataset import Dataset
from dymu.spec.task import Task
from dymu.stages.agreement import Outcome
from dymu.stages.batches import Batches
from dymu.stages.context import RunContext
from dymu.stages.losses import batch_losses
from dymu.stages.optimisation import Optimisation
from dymu.stages.precision import features_in
from dymu.stages.randomness import Randomness
from dymu.stages.shared import load_shared
from dymu.stages.start import Initialisation, copy_stem, start_from_shared, start_pretrained
from dymu.stages.tensors import load_module, load_tensor, save_module, save_tensors
from dymu.stages.training import Training, accumulate, ends_interval, means_of, train

STAGE = "anchor_stream"
REVISION = 1
WEIGHTS = "anchor_stream.safetensors"
LOSSES = "losses.safetensors"
DRAWS_OF = "anchor"  # the stage whose draws are repeated
START = "start"  # role of the shared net from which streams start


@config
class AnchorStreamConfig:
    """Configuration of a part: the anchor's, and which of its tasks.

    Attributes:
        dataset: What is learnt.
        backbone: Architecture of a stream.
        optimisation: Of the stream.
        batch_size: Images a step.
        initialisation: As the anchor's.
        task: Name of the task.
    """

    dataset: Dataset
    backbone: Backbone
    optimisation: Optimisation
    batch_size: int
    initialisation: Initialisation
    task: str

    def __post_init__(self) -> None:
        names = [task.name for task in self.dataset.tasks]
        check(self.task in names, self, "task", f"one of {', '.join(names)}")


class Trace(nn.Module):
    """The loss of every training step; a module, so that checkpoints hold it.

    Attributes:
        losses: (num_steps,); zero where training has not been.
    """

    losses: Tensor

    def __init__(self, num_steps: int) -> None:
        super().__init__()
        self.register_buffer("losses", torch.zeros(num_steps))


def anchor_stream_step(settings: AnchorStreamConfig, *, shared: Step | None, seed: int) -> Step:
    """The step that trains one stream.

    Raises:
        SpecError: If a shared net is given without ``initialisation="shared"``, or the reverse.
    """
    if (settings.initialisation == "shared") != (shared is not None):
        raise SpecError(
            "AnchorStreamConfig.initialisation='shared' needs a shared net as input, others take none."
        )
    inputs = {} if shared is None else {START: shared}
    return Step(
        stage=STAGE, revision=REVISION, config=settings, run=run_anchor_stream, inputs=inputs, seed=seed
    )


def run_anchor_stream(step: Step, context: RunContext) -> None:
    """Train one single-task net; publishes its weights, and the loss of every training step."""
    settings: AnchorStreamConfig = step.config
    tasks = tuple(task for task in settings.dataset.tasks if task.name == settings.task)
    examples: Examples = settings.dataset.load(Split.TRAIN, context.data)
    examples.require(tasks)
    assert step.seed is not None
    random = Randomness(step.seed, DRAWS_OF)
    net = _initial(settings, tasks, random.torch("initialisation")).to(context.device)
    start(net, step, context)
    trace = Trace(settings.optimisation.num_steps).to(context.device)
    parents = shared_stream(net.num_layers, len(tasks))
    world = context.world
    own = settings.dataset.tasks.index(tasks[0])
    batches = Batches(examples=examples, size=settings.batch_size, context=context, random=random)

    def compute(number: int) -> Outcome:
        batch = batches.at(number)
        with features_in(settings.optimisation.precision, context.device):
            predictions = tree_forward(
                net, seen_by(own, batch.images), parents, Conditions("train", peers=world)
            )
        losses_N = batch_losses(tasks, predictions, batch.targets, world)[0]
        trace.losses[number] = world.sum(losses_N)[0] / world.size
        return Outcome(objective=losses_N.sum(), task_losses_N=losses_N)

    train(
        Training(
            modules={"anchor_stream": net, "trace": trace},
            optimisation=settings.optimisation,
            tasks=tasks,
            compute=compute,
        ),
        context,
    )
    save_module(net, context.out_dir / WEIGHTS)
    save_tensors({"losses": trace.losses}, context.out_dir / LOSSES)


def start(net: AnchorNet, step: Step, context: RunContext) -> None:
    """What an anchor, or a part of one, begins with besides its random numbers.

    Raises:
        CorruptArtifactError: If the shared net is not one that fits.
        DataError: If pretrained weights are missing or others than the backbone names.
    """
    if START in step.inputs:
        start_from_shared(net, load_shared(step.inputs[START], context, START))
    else:
        start_pretrained(net, context)


def seen_by(task: int, images: Tensor) -> Tensor:
    """(B, C, H, W): what the net of a task sees of images that may be (B, N, C, H, W), one a task."""
    return images if images.ndim == 4 else images[:, task]


def put_together(
    net: AnchorNet, optimisation: Optimisation, parts: Sequence[Path], context: RunContext
) -> None:
    """Fill an anchor net from its parts and tell what training it in one piece would have told.

    Args:
        net: The anchor net.
        optimisation: Of the parts.
        parts: Folders of the parts, one per task in the order of the tasks.
        context: Of the anchor step.

    Raises:
        CorruptArtifactError: If a part does not hold what it should.
        Superseded: If somebody else took the step over.
    """
    losses = []
    for number, folder in enumerate(parts):
        single = _single(net.backbone, (net.tasks[number],), net.image_shape)
        load_module(single, folder / WEIGHTS)
        net.streams[number].load_state_dict(single.streams[0].state_dict())
        net.heads[number].load_state_dict(single.heads[0].state_dict())
        copy_stem(net, single)
        losses.append(load_tensor(folder / LOSSES, "losses"))
    losses_SN = torch.stack(losses, dim=1).to(context.device)
    context.spool.rewind(0)
    sums: dict[str, Tensor | float] = {}
    for step, losses_N in enumerate(losses_SN):
        outcome = Outcome(objective=losses_N.sum(), task_losses_N=losses_N)
        accumulate(sums, outcome, net.tasks, optimisation.rate(step))
        if ends_interval(step, len(losses_SN)):
            context.log(step, means_of(sums))


def _initial(settings: AnchorStreamConfig, tasks: tuple[Task, ...], generator: torch.Generator) -> AnchorNet:
    """The stream of a task with the numbers that it has in the whole anchor net."""
    dataset = settings.dataset
    whole = single_task_nets(
        settings.backbone,
        dataset.tasks,
        dataset.input_shape,
        generator,
        common_initialisation=settings.initialisation != "independent",
    )
    number = [task.name for task in dataset.tasks].index(settings.task)
    single = _single(settings.backbone, tasks, dataset.input_shape)
    copy_stem(single, whole)
    single.streams[0].load_state_dict(whole.streams[number].state_dict())
    single.heads[0].load_state_dict(whole.heads[number].state_dict())
    return single


def _single(backbone: Backbone, tasks: tuple[Task, ...], image_shape: tuple[int, int, int]) -> AnchorNet:
    return single_task_nets(backbone, tasks, image_shape, torch.Generator())
