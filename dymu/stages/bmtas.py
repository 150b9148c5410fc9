"""Branched multi-task architecture search: per-task choices of operations, task losses and expected cost.

Reference: D. Bruggemann, M. Kanakis, S. Georgoulis, L. Van Gool, "Automated Search for Resource-Efficient
Branched Multi-Task Networks", BMVC 2020. Every task chooses one of the layer's N nodes for features of its
own (:mod:`dymu.networks.mixed_paths`); tasks that have chosen alike so far share what they compute.

Weights and logits are trained in turn on two parts of the training split. Where the reference has phases of
an epoch and one weight step a task, here every ``architecture_every``-th step trains the logits and all
others train the weights on the sum of the task losses. The weights are thrown away; the most likely
refinement is trained anew by :mod:`dymu.stages.retrain`.
"""

import math

import torch
from torch import Tensor

from dymu.artifacts.config import check, config
from dymu.artifacts.step import Step
from dymu.data.examples import Examples
from dymu.data.part import Part
from dymu.data.splits import Split
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.costs import node_costs
from dymu.networks.mixed_paths import mixed_path_forward
from dymu.networks.tree import most_likely_parents, refined_tree
from dymu.objectives.gumbel_choice import Sample, gumbel_choice
from dymu.objectives.partitions import check_num_tasks, expected_branches
from dymu.spec.dataset import Dataset
from dymu.stages.agreement import Outcome
from dymu.stages.anchor import AnchorRecipe, start_inputs
from dymu.stages.batches import Batches
from dymu.stages.context import RunContext
from dymu.stages.losses import batch_losses
from dymu.stages.ltb import BranchingLogits
from dymu.stages.optimisation import Optimisation
from dymu.stages.precision import features_in
from dymu.stages.randomness import Randomness
from dymu.stages.retrain import initial_net
from dymu.stages.training import Training, train
from dymu.stages.tree import save_tree
from dymu.stages.two_optimisers import SearchOptimisation

STAGE = "bmtas"
REVISION = 1


@config
class BMTASRecipe:
    """How the search is trained, whatever the dataset.

    Attributes:
        optimisation: Of all nodes and heads; its steps are those of weights and logits together.
        batch_size: Images a step.
        sample: ``soft`` as in the reference, or ``straight_through``.
        resource_weight: Of the expected multiply-accumulates of all nodes that run, as a share of those of N
            separate streams. The reference's 0.05 per GFLOP, added once for each of N tasks, is 0.05 N times
            the GFLOPs of N streams in this unit: 2.2 for three tasks at 512x512 with MobileNetV2, 6.0 for
            five.
        temperature_start: Of the Gumbel-softmax after the warm-up; from there it falls linearly.
        temperature_end: At the end.
        warm_up: Share of the search in which each task keeps its own stream and logits rest.
        architecture_every: After the warm-up, one step in so many trains the logits.
        held_out: Share of the training split on which logits are trained, and weights are not.
        logit_rate: Learning rate of the logits (Adam).
        logit_decay: L2 penalty of the logits.
    """

    optimisation: Optimisation
    batch_size: int = 16
    sample: Sample = "soft"
    resource_weight: float = 1.0
    temperature_start: float = 5.0
    temperature_end: float = 0.1
    warm_up: float = 0.05
    architecture_every: int = 5
    held_out: float = 0.2
    logit_rate: float = 0.01
    logit_decay: float = 5e-5

    def __post_init__(self) -> None:
        check(self.batch_size >= 2, self, "batch_size", "at least 2")
        check(self.resource_weight >= 0, self, "resource_weight", "a number that is not negative")
        check(self.temperature_start > 0, self, "temperature_start", "a positive number")
        check(self.temperature_end > 0, self, "temperature_end", "a positive number")
        check(0 <= self.warm_up < 1, self, "warm_up", "a share in [0, 1)")
        check(self.architecture_every >= 2, self, "architecture_every", "at least 2")
        check(0 < self.held_out < 1, self, "held_out", "a share between 0 and 1")
        check(self.logit_rate > 0, self, "logit_rate", "a positive number")
        check(self.logit_decay >= 0, self, "logit_decay", "a number that is not negative")

    @property
    def warm_up_steps(self) -> int:
        """Training steps of the warm-up."""
        return math.floor(self.warm_up * self.optimisation.num_steps)

    def architecture_steps(self, step: int) -> int:
        """Steps before ``step`` that train the logits."""
        return max(0, step - self.warm_up_steps) // self.architecture_every

    def trains_logits(self, step: int) -> bool:
        """Whether a step trains the logits and not the weights."""
        return self.architecture_steps(step + 1) > self.architecture_steps(step)

    def temperature(self, step: int) -> float:
        """Temperature at a training step after the warm-up."""
        done = (step - self.warm_up_steps) / max(1, self.optimisation.num_steps - self.warm_up_steps)
        return self.temperature_start + done * (self.temperature_end - self.temperature_start)


@config
class BMTASConfig:
    """Configuration of the search.

    Attributes:
        dataset: What is learnt; at most five tasks, the expected cost has a term for every partition of them.
        anchor: The single-task nets whose nodes are searched over; the search begins as their training does.
        recipe: How.
    """

    dataset: Dataset
    anchor: AnchorRecipe
    recipe: BMTASRecipe

    def __post_init__(self) -> None:
        check_num_tasks(len(self.dataset.tasks))


def bmtas_step(settings: BMTASConfig, *, seed: int) -> Step:
    """The step that searches a tree."""
    inputs = start_inputs(settings.anchor, dataset=settings.dataset, seed=seed)
    return Step(stage=STAGE, revision=REVISION, config=settings, run=run_bmtas, inputs=inputs, seed=seed)


def run_bmtas(step: Step, context: RunContext) -> None:
    """Search a tree; publishes ``tree.safetensors``."""
    settings: BMTASConfig = step.config
    recipe, tasks = settings.recipe, settings.dataset.tasks
    net = initial_net(settings.anchor, step, context)
    weights = [parameter for parameter in net.parameters() if parameter.requires_grad]
    branching = BranchingLogits(net.num_layers, len(tasks)).to(context.device)
    own_stream_LNN = torch.eye(len(tasks), device=context.device).expand_as(branching.logits_LNN)
    batches = _Parts(step, context)
    cost = _RelativeCost(net)

    def compute(number: int) -> Outcome:
        trains_logits = recipe.trains_logits(number)
        for parameter in weights:
            parameter.requires_grad_(not trains_logits)
        logits_LNN = branching.logits_LNN if trains_logits else branching.logits_LNN.detach()
        if number < recipe.warm_up_steps:
            probs_LNN, temperature = own_stream_LNN, recipe.temperature_start
        else:
            temperature = recipe.temperature(number)
            generator = context.random.torch("gumbel", number)
            probs_LNN = gumbel_choice(logits_LNN, temperature, recipe.sample, generator)
        batch = batches.at(number)
        with features_in(recipe.optimisation.precision, context.device):
            predictions = mixed_path_forward(net, batch.images, probs_LNN, peers=context.world)
        losses_N = batch_losses(tasks, predictions, batch.targets, context.world)[0]
        expected = cost(logits_LNN)
        metrics: dict[str, Tensor | float] = {
            "temperature": temperature,
            "entropy": branching.entropy(),
            "expected_cost": expected,
        }
        objective = losses_N.sum() + recipe.resource_weight * expected
        return Outcome(objective=objective, task_losses_N=losses_N, metrics=metrics)

    optimisation = SearchOptimisation(
        weights=recipe.optimisation,
        logits=branching.logits_LNN,
        logit_rate=recipe.logit_rate,
        logit_decay=recipe.logit_decay,
    )
    modules = {"anchor": net, "branching": branching}
    train(Training(modules=modules, optimisation=optimisation, tasks=tasks, compute=compute), context)
    logits_LNN = branching.logits_LNN.detach().cpu()
    choices_LN = most_likely_parents(logits_LNN.unsqueeze(0))[0]
    save_tree(refined_tree(choices_LN), logits_LNN, context)


class _Parts:
    """The batches of both parts of the training split; each part's are numbered from 0 without gaps."""

    def __init__(self, step: Step, context: RunContext) -> None:
        settings: BMTASConfig = step.config
        self.recipe = settings.recipe
        examples: Examples = settings.dataset.load(Split.TRAIN, context.data)
        examples.require(settings.dataset.tasks)
        order = torch.randperm(len(examples), generator=context.random.torch("held_out"))
        num_held_out = math.ceil(self.recipe.held_out * len(examples))
        held_out, rest = Part.of(examples, order[:num_held_out]), Part.of(examples, order[num_held_out:])
        seed, size = context.random.seed, self.recipe.batch_size
        random = Randomness(seed, f"{STAGE}_logits")
        self.for_weights = Batches(examples=rest, size=size, context=context, random=context.random)
        self.for_logits = Batches(examples=held_out, size=size, context=context, random=random)

    def at(self, number: int) -> Examples:
        before = self.recipe.architecture_steps(number)
        if self.recipe.trains_logits(number):
            return self.for_logits.at(before)
        return self.for_weights.at(number - before)


class _RelativeCost:
    """Expected multiply-accumulates of the nodes that run, as a share of those of N separate streams."""

    def __init__(self, net: AnchorNet) -> None:
        macs_LS = torch.from_numpy(node_costs(net).macs_LS)
        device = next(net.parameters()).device
        self.share_L = (macs_LS.mean(dim=1) / macs_LS.sum()).to(device, torch.float32)

    def __call__(self, logits_LNN: Tensor) -> Tensor:
        return (self.share_L * expected_branches(logits_LNN.softmax(dim=-1))).sum()
