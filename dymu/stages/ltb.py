"""Learning to branch: branching logits trained together with the weights of all nodes, on the task losses.

Reference: P. Guo, C.-Y. Lee, D. Ulbricht, "Learning to Branch for Multi-Task Learning", ICML 2020. The space
is the anchor net's: a node draws its parent among the N nodes of the layer below (Eq. 1), whatever the
preference. The weights are thrown away; the most likely tree is trained anew by :mod:`dymu.stages.retrain`.
"""

import math

import torch
from torch import Tensor, nn

from dymu.artifacts.config import check, config
from dymu.artifacts.step import Step
from dymu.data.examples import Examples
from dymu.data.splits import Split
from dymu.networks.forward import soft_forward
from dymu.networks.streams import loop
from dymu.networks.tree import most_likely_parents
from dymu.objectives.gumbel_choice import Sample, gumbel_choice
from dymu.spec.dataset import Dataset
from dymu.stages.agreement import Outcome
from dymu.stages.anchor import AnchorRecipe, start_inputs
from dymu.stages.batches import training_batches
from dymu.stages.context import RunContext
from dymu.stages.losses import batch_losses
from dymu.stages.optimisation import Optimisation
from dymu.stages.precision import features_in
from dymu.stages.retrain import initial_net
from dymu.stages.training import Training, train
from dymu.stages.tree import save_tree
from dymu.stages.two_optimisers import SearchOptimisation

STAGE = "ltb"
REVISION = 1


@config
class LTBRecipe:
    """How the search is trained, whatever the dataset.

    Attributes:
        optimisation: Of all nodes and heads.
        batch_size: Images a step.
        sample: ``soft`` mixes parents by the relaxed choice, ``straight_through`` lets one parent through.
        temperature_start: Of the Gumbel-softmax; divided by the square root of the time since the warm-up, in
            units of ``temperature_unit`` of it.
        temperature_unit: Share of the search that is one unit of time.
        temperature_floor: Lowest temperature.
        warm_up: Share of the search in which every parent counts 1/N and logits rest.
        logit_rate: Learning rate of the logits (Adam).
        logit_decay: L2 penalty of the logits.
    """

    optimisation: Optimisation
    batch_size: int = 16
    sample: Sample = "soft"
    temperature_start: float = 5.0
    temperature_unit: float = 0.01
    temperature_floor: float = 0.1
    warm_up: float = 0.05
    logit_rate: float = 0.01
    logit_decay: float = 0.0

    def __post_init__(self) -> None:
        check(self.batch_size >= 2, self, "batch_size", "at least 2")
        check(self.temperature_start > 0, self, "temperature_start", "a positive number")
        check(0 < self.temperature_unit <= 1, self, "temperature_unit", "a share in (0, 1]")
        check(self.temperature_floor > 0, self, "temperature_floor", "a positive number")
        check(0 <= self.warm_up < 1, self, "warm_up", "a share in [0, 1)")
        check(self.logit_rate > 0, self, "logit_rate", "a positive number")
        check(self.logit_decay >= 0, self, "logit_decay", "a number that is not negative")

    @property
    def warm_up_steps(self) -> int:
        """Training steps of the warm-up."""
        return math.floor(self.warm_up * self.optimisation.num_steps)

    def temperature(self, step: int) -> float:
        """Temperature at a training step after the warm-up."""
        unit = self.temperature_unit * self.optimisation.num_steps
        time = (step - self.warm_up_steps) / unit
        return max(self.temperature_floor, self.temperature_start / math.sqrt(1 + time))


@config
class LTBConfig:
    """Configuration of the search.

    Attributes:
        dataset: What is learnt.
        anchor: The single-task nets whose nodes are searched over; the search begins as their training does.
        recipe: How.
    """

    dataset: Dataset
    anchor: AnchorRecipe
    recipe: LTBRecipe


def ltb_step(settings: LTBConfig, *, seed: int) -> Step:
    """The step that searches a tree."""
    inputs = start_inputs(settings.anchor, dataset=settings.dataset, seed=seed)
    return Step(stage=STAGE, revision=REVISION, config=settings, run=run_ltb, inputs=inputs, seed=seed)


class BranchingLogits(nn.Module):
    """Logits (L, N, N) of every choice, [layer, child, choice]; all choices begin alike."""

    def __init__(self, num_layers: int, num_tasks: int) -> None:
        super().__init__()
        self.logits_LNN = nn.Parameter(torch.zeros(num_layers, num_tasks, num_tasks))

    def entropy(self) -> Tensor:
        """Mean entropy of the choices, in nats."""
        log_probs = self.logits_LNN.detach().log_softmax(dim=-1)
        return -(log_probs.exp() * log_probs).sum(dim=-1).mean()


def run_ltb(step: Step, context: RunContext) -> None:
    """Search a tree; publishes ``tree.safetensors``."""
    settings: LTBConfig = step.config
    recipe, tasks = settings.recipe, settings.dataset.tasks
    examples: Examples = settings.dataset.load(Split.TRAIN, context.data)
    examples.require(tasks)
    net = initial_net(settings.anchor, step, context)
    branching = BranchingLogits(net.num_layers, len(tasks)).to(context.device)
    batches = training_batches(examples, recipe.batch_size, context)

    def compute(number: int) -> Outcome:
        logits_LNN = branching.logits_LNN
        if number < recipe.warm_up_steps:
            probs_LNN = torch.full_like(logits_LNN, 1.0 / len(tasks), requires_grad=False)
            temperature = recipe.temperature_start
        else:
            temperature = recipe.temperature(number)
            generator = context.random.torch("gumbel", number)
            probs_LNN = gumbel_choice(logits_LNN, temperature, recipe.sample, generator)
        batch = batches.at(number)
        with features_in(recipe.optimisation.precision, context.device):
            predictions = soft_forward(
                net, batch.images, probs_LNN.unsqueeze(0), peers=context.world, runner=loop
            )
        losses_N = batch_losses(tasks, predictions, batch.targets, context.world)[0]
        metrics: dict[str, Tensor | float] = {"temperature": temperature, "entropy": branching.entropy()}
        return Outcome(objective=losses_N.sum(), task_losses_N=losses_N, metrics=metrics)

    optimisation = SearchOptimisation(
        weights=recipe.optimisation,
        logits=branching.logits_LNN,
        logit_rate=recipe.logit_rate,
        logit_decay=recipe.logit_decay,
    )
    modules = {"anchor": net, "branching": branching}
    train(Training(modules=modules, optimisation=optimisation, tasks=tasks, compute=compute), context)
    logits_LNN = branching.logits_LNN.detach().cpu()
    save_tree(most_likely_parents(logits_LNN.unsqueeze(0))[0], logits_LNN, context)
