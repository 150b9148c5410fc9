"""Stage 0: the anchor net, N single-task networks from one common initialisation (section 3.1)."""

import torch
from torch import Tensor

from dymu.artifacts.config import absent_means, check, config
from dymu.artifacts.step import Step
from dymu.data.examples import Examples
from dymu.data.splits import Split
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.protocol import Backbone
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.tree import separate_streams
from dymu.spec.dataset import Dataset
from dymu.stages.agreement import Outcome
from dymu.stages.anchor_stream import START, AnchorStreamConfig, anchor_stream_step, put_together, start
from dymu.stages.batches import training_batches
from dymu.stages.context import RunContext
from dymu.stages.losses import batch_losses
from dymu.stages.optimisation import Optimisation
from dymu.stages.precision import features_in
from dymu.stages.shared import SharedConfig, shared_step
from dymu.stages.start import Initialisation
from dymu.stages.tensors import load_module, save_module
from dymu.stages.training import Training, train

STAGE = "anchor"
REVISION = 1
WEIGHTS = "anchor.safetensors"


@config
class AnchorRecipe:
    """How an anchor net is trained, whatever the dataset.

    Attributes:
        backbone: Architecture of a stream.
        optimisation: Of all streams; each stream sees every batch and its own task's loss.
        batch_size: Images a step.
        initialisation: ``common`` starts all streams alike, from the pretrained weights that the backbone
            names or from one set of random numbers in their stead. ``shared`` starts them from one multi-task
            net that was trained for the uniform preference. ``independent`` streams cannot exchange features
            (docs/log.md).
        pretraining: Of the shared net; ``None`` unless ``initialisation`` is ``shared``.
        pretraining_batch_size: Images a step of the shared net; ``None`` for ``batch_size``.
    """

    backbone: Backbone
    optimisation: Optimisation
    batch_size: int = 32
    initialisation: Initialisation = "common"
    pretraining: Optimisation | None = absent_means(None)
    pretraining_batch_size: int | None = absent_means(None)

    def __post_init__(self) -> None:
        check(self.batch_size >= 2, self, "batch_size", "at least 2, batch statistics need two images")
        shared = self.initialisation == "shared"
        trained = self.pretraining is not None
        needed = "an Optimisation, because initialisation is 'shared'"
        check(trained or not shared, self, "pretraining", needed)
        unused = f"None, because initialisation is {self.initialisation!r}; with 'shared' it is used"
        check(shared or not trained, self, "pretraining", unused)
        size = self.pretraining_batch_size
        check(shared or size is None, self, "pretraining_batch_size", unused)
        check(size is None or size >= 2, self, "pretraining_batch_size", "None or at least 2")
        apart = self.initialisation == "independent" and self.backbone.pretrained is not None
        check(not apart, self, "initialisation", "'common' or 'shared', because the backbone is pretrained")


@config
class AnchorConfig:
    """Configuration of the anchor stage.

    Attributes:
        dataset: What is learnt.
        recipe: How.
    """

    dataset: Dataset
    recipe: AnchorRecipe


def anchor_step(recipe: AnchorRecipe, *, dataset: Dataset, seed: int) -> Step:
    """The step that trains the anchor net."""
    settings = AnchorConfig(dataset=dataset, recipe=recipe)
    inputs = start_inputs(recipe, dataset=dataset, seed=seed)
    parts = (
        AnchorStreamConfig(
            dataset=dataset,
            backbone=recipe.backbone,
            optimisation=recipe.optimisation,
            batch_size=recipe.batch_size,
            initialisation=recipe.initialisation,
            task=task.name,
        )
        for task in dataset.tasks
    )
    return Step(
        stage=STAGE,
        revision=REVISION,
        config=settings,
        run=run_anchor,
        inputs=inputs,
        seed=seed,
        parts=tuple(anchor_stream_step(part, shared=inputs.get(START), seed=seed) for part in parts),
    )


def run_anchor(step: Step, context: RunContext) -> None:
    """Train N single-task nets, or put them together from parts; publishes ``anchor.safetensors``."""
    settings: AnchorConfig = step.config
    recipe, tasks = settings.recipe, settings.dataset.tasks
    examples: Examples = settings.dataset.load(Split.TRAIN, context.data)
    validation: Examples = settings.dataset.load(Split.VAL, context.data)
    examples.require(tasks)
    validation.require(tasks)
    net = single_task_nets(
        recipe.backbone,
        tasks,
        settings.dataset.input_shape,
        context.random.torch("initialisation"),
        common_initialisation=recipe.initialisation != "independent",
    ).to(context.device)
    start(net, step, context)
    if context.parts:
        parts = [context.parts[part.address] for part in step.parts]
        put_together(net, recipe.optimisation, parts, context)
    else:
        _train(net, examples, recipe, context)
    context.log(recipe.optimisation.num_steps, _validate(net, validation, context))
    save_module(net, context.out_dir / WEIGHTS)


def load_anchor(anchor: Step, context: RunContext, role: str = "anchor") -> AnchorNet:
    """The frozen anchor net that a step has as an input."""
    settings: AnchorConfig = anchor.config
    net = single_task_nets(
        settings.recipe.backbone, settings.dataset.tasks, settings.dataset.input_shape, torch.Generator()
    )
    load_module(net, context.input_dirs[role] / WEIGHTS)
    return net.requires_grad_(False).eval().to(context.device)


def start_inputs(recipe: AnchorRecipe, *, dataset: Dataset, seed: int) -> dict[str, Step]:
    """The inputs of a step that begins as an anchor of this recipe does."""
    if recipe.pretraining is None:
        return {}
    settings = SharedConfig(
        dataset=dataset,
        backbone=recipe.backbone,
        optimisation=recipe.pretraining,
        batch_size=recipe.pretraining_batch_size or recipe.batch_size,
    )
    return {START: shared_step(settings, seed=seed)}


def _train(net: AnchorNet, examples: Examples, recipe: AnchorRecipe, context: RunContext) -> None:
    tasks = net.tasks
    parents = separate_streams(net.num_layers, len(tasks))
    batches = training_batches(examples, recipe.batch_size, context)

    def compute(number: int) -> Outcome:
        batch = batches.at(number)
        with features_in(recipe.optimisation.precision, context.device):
            predictions = tree_forward(net, batch.images, parents, Conditions("train", peers=context.world))
        losses_N = batch_losses(tasks, predictions, batch.targets, context.world)[0]
        return Outcome(objective=losses_N.sum(), task_losses_N=losses_N)

    train(
        Training(modules={"anchor": net}, optimisation=recipe.optimisation, tasks=tasks, compute=compute),
        context,
    )


@torch.no_grad()
def _validate(net: AnchorNet, examples: Examples, context: RunContext) -> dict[str, float]:
    """Scaled validation loss of each single-task net, under its running statistics."""
    tasks = net.tasks
    parents = separate_streams(net.num_layers, len(tasks))
    total_N: Tensor = torch.zeros(len(tasks), dtype=torch.float64)
    for index_B in torch.arange(len(examples)).split(100):
        batch = examples.batch(index_B, context.device)
        predictions = tree_forward(net, batch.images, parents, Conditions("running"))
        total_N += batch_losses(tasks, predictions, batch.targets)[0].cpu().to(torch.float64) * len(index_B)
    return {
        f"validation_loss/{task.name}": float(total) / len(examples)
        for task, total in zip(tasks, total_N, strict=True)
    }
