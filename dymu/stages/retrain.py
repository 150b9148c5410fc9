"""One tree trained as a static multi-task net (Tables 5 and 7): only the nodes that some task uses exist.

The tree comes from the edge hypernet (:mod:`dymu.stages.tree`) or from a search over static branchings. The
recipe is the single-task nets', the loss sum_i w_i L_i (docs/protocol.md, no. 39).
"""

from typing import Literal

import torch
from torch import Tensor, nn

from dymu.artifacts.config import config
from dymu.artifacts.step import Step
from dymu.data.examples import Examples
from dymu.data.splits import Split
from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.tree import nodes_on_paths, paths
from dymu.spec.dataset import Dataset
from dymu.stages.agreement import Outcome
from dymu.stages.anchor import STAGE as ANCHOR
from dymu.stages.anchor import AnchorRecipe, load_anchor, start_inputs
from dymu.stages.anchor_stream import start
from dymu.stages.batches import training_batches
from dymu.stages.context import RunContext
from dymu.stages.losses import batch_losses
from dymu.stages.precision import features_in
from dymu.stages.randomness import Randomness
from dymu.stages.tensors import load_module, save_module
from dymu.stages.training import Training, train
from dymu.stages.tree import load_tree, save_tree

STAGE = "retrain"
REVISION = 1
WEIGHTS = "retrained.safetensors"


@config
class RetrainConfig:
    """Configuration of a retraining.

    Attributes:
        dataset: What is learnt.
        recipe: How; the single-task nets' recipe in the paper.
        start: ``anchor``: node (l, i) begins with the trained weights of the anchor's node (l, i), heads
            likewise. ``initial``: with what the anchor's training began with, for instance ImageNet weights.
    """

    dataset: Dataset
    recipe: AnchorRecipe
    start: Literal["anchor", "initial"] = "anchor"


def retrain_step(settings: RetrainConfig, *, tree: Step, anchor: Step | None, seed: int) -> Step:
    """The step that trains the net of a tree.

    Raises:
        SpecError: If the start is the anchor and there is none, or one is given in vain, or its backbone is
            another one.
    """
    if (settings.start == "anchor") != (anchor is not None):
        raise SpecError("RetrainConfig.start='anchor' needs an anchor as input, and 'initial' takes none.")
    if anchor is not None and anchor.config.recipe.backbone != settings.recipe.backbone:
        raise SpecError(
            f"RetrainConfig.recipe.backbone is {settings.recipe.backbone}, but the anchor has "
            f"{anchor.config.recipe.backbone}; weights can only be taken over between equal backbones."
        )
    if anchor is None:
        inputs = {"tree": tree} | start_inputs(settings.recipe, dataset=settings.dataset, seed=seed)
    else:
        inputs = {"tree": tree, "anchor": anchor}
    return Step(stage=STAGE, revision=REVISION, config=settings, run=run_retrain, inputs=inputs, seed=seed)


def run_retrain(step: Step, context: RunContext) -> None:
    """Train the net of a tree; publishes ``retrained.safetensors`` and ``tree.safetensors``."""
    settings: RetrainConfig = step.config
    recipe, tasks = settings.recipe, settings.dataset.tasks
    examples: Examples = settings.dataset.load(Split.TRAIN, context.data)
    examples.require(tasks)
    parents_LN, logits_LNN = load_tree(context)
    if "anchor" in step.inputs:
        net = load_anchor(step.inputs["anchor"], context)
    else:
        net = initial_net(settings.recipe, step, context).requires_grad_(False)
    nodes = nodes_of(net, parents_LN).requires_grad_(True)
    if net.stem is not None:
        net.stem.requires_grad_(False)
    batches = training_batches(examples, recipe.batch_size, context)

    def compute(number: int) -> Outcome:
        batch = batches.at(number)
        conditions = Conditions("train", peers=context.world)
        with features_in(recipe.optimisation.precision, context.device):
            predictions = tree_forward(net, batch.images, parents_LN.unsqueeze(0), conditions)
        losses_N = batch_losses(tasks, predictions, batch.targets, context.world)[0]
        return Outcome(objective=losses_N.sum(), task_losses_N=losses_N)

    train(
        Training(modules={"nodes": nodes}, optimisation=recipe.optimisation, tasks=tasks, compute=compute),
        context,
    )
    save_module(nodes, context.out_dir / WEIGHTS)
    save_tree(parents_LN, logits_LNN, context)


def load_retrained(retrain: Step, context: RunContext, role: str = "retrain") -> tuple[AnchorNet, Tensor]:
    """The frozen net that a step has as an input, and its tree (L, N); nodes outside the tree are blank."""
    settings: RetrainConfig = retrain.config
    net = _blank(settings.recipe, settings.dataset, torch.Generator())
    parents_LN, _ = load_tree(context, role)
    load_module(nodes_of(net, parents_LN), context.input_dirs[role] / WEIGHTS)
    return net.requires_grad_(False).eval().to(context.device), parents_LN


def initial_net(recipe: AnchorRecipe, step: Step, context: RunContext) -> AnchorNet:
    """The nets with which the anchor of the same seed and recipe begins."""
    assert step.seed is not None, f"{step.address} has no seed"
    net = _blank(recipe, step.config.dataset, Randomness(step.seed, ANCHOR).torch("initialisation"))
    net = net.to(context.device)
    start(net, step, context)
    return net


def nodes_of(net: AnchorNet, parents_LN: Tensor) -> nn.ModuleDict:
    """The stem, the blocks that a tree uses and all heads, under names that tell which they are."""
    used_LN = nodes_on_paths(paths(parents_LN.unsqueeze(0)))[0]
    nodes: dict[str, nn.Module] = {
        f"block_{layer}_{stream}": net.block(layer, stream) for layer, stream in used_LN.nonzero().tolist()
    }
    nodes |= {f"head_{task}": net.head(task) for task in range(len(net.tasks))}
    return nn.ModuleDict(nodes if net.stem is None else nodes | {"stem": net.stem})


def _blank(recipe: AnchorRecipe, dataset: Dataset, generator: torch.Generator) -> AnchorNet:
    return single_task_nets(
        recipe.backbone,
        dataset.tasks,
        dataset.input_shape,
        generator,
        common_initialisation=recipe.initialisation != "independent",
    )
