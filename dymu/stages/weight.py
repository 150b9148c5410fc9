"""Stage 2: the weight hypernet, trained with the task loss on predicted trees (section 3.3.2)."""

from typing import Literal

import torch
from torch import Tensor

from dymu.artifacts.config import check, config
from dymu.artifacts.step import Step
from dymu.data.examples import Examples
from dymu.data.splits import Split
from dymu.networks.edge_hypernet import EdgeHypernet
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.preference_embedding import HypernetConfig
from dymu.networks.tree import most_likely_parents
from dymu.networks.weight_hypernet import WeightHypernet, make_weight_hypernet
from dymu.objectives.branching import gumbel_softmax, standard_gumbel
from dymu.stages.agreement import Outcome
from dymu.stages.anchor import load_anchor
from dymu.stages.batches import training_batches
from dymu.stages.context import RunContext
from dymu.stages.edge import load_edge
from dymu.stages.losses import batch_losses
from dymu.stages.optimisation import Optimisation
from dymu.stages.precision import features_in
from dymu.stages.preferences import draw_preferences
from dymu.stages.tensors import load_module, save_module
from dymu.stages.training import Training, train

STAGE = "weight"
REVISION = 1
WEIGHTS = "weight.safetensors"


@config
class WeightConfig:
    """Configuration of the weight stage; defaults are the paper's (Appendix G) unless said otherwise.

    Attributes:
        optimisation: Adam, 30k steps, 1e-3 times 0.3 every 14k.
        hypernet: Size of the weight hypernet; its output layer starts at zero (docs/protocol.md, no. 16).
        preferences_per_step: The paper draws one; several lower the variance.
        batch_size: Images a step, shared by the step's preferences.
        concentration: Of the Dirichlet distribution of task preferences (eta).
        architecture: ``argmax`` trains on the trees that the test uses, ``sampled`` on trees drawn from the
            branching distribution (docs/protocol.md, no. 13).
        statistics: Normalisation statistics.
    """

    optimisation: Optimisation = Optimisation(num_steps=30_000)
    hypernet: HypernetConfig = HypernetConfig()
    preferences_per_step: int = 1
    batch_size: int = 16
    concentration: float = 0.2
    architecture: Literal["argmax", "sampled"] = "argmax"
    statistics: Literal["batch", "running"] = "batch"

    def __post_init__(self) -> None:
        check(self.preferences_per_step >= 1, self, "preferences_per_step", "at least 1")
        check(self.batch_size >= 2, self, "batch_size", "at least 2")
        check(self.concentration > 0, self, "concentration", "a positive number")


def weight_step(settings: WeightConfig, *, anchor: Step, edge: Step, seed: int) -> Step:
    """The step that trains the weight hypernet."""
    inputs = {"anchor": anchor, "edge": edge}
    return Step(stage=STAGE, revision=REVISION, config=settings, run=run_weight, inputs=inputs, seed=seed)


def run_weight(step: Step, context: RunContext) -> None:
    """Train the weight hypernet with anchor and edge hypernet frozen; publishes ``weight.safetensors``."""
    settings: WeightConfig = step.config
    anchor = step.inputs["anchor"]
    tasks = anchor.config.dataset.tasks
    examples: Examples = anchor.config.dataset.load(Split.TRAIN, context.data)
    examples.require(tasks)
    net = load_anchor(anchor, context)
    edge = load_edge(step.inputs["edge"], context)
    hypernet = make_weight_hypernet(settings.hypernet, net, context.random.torch("initialisation")).to(
        context.device
    )
    batches = training_batches(examples, settings.batch_size, context)

    def compute(number: int) -> Outcome:
        preference_PN, resource_P = draw_preferences(
            settings.preferences_per_step,
            num_tasks=len(tasks),
            concentration=settings.concentration,
            rng=context.random.numpy("preferences", number),
        )
        preference_PN, resource_P = preference_PN.to(context.device), resource_P.to(context.device)
        parents_PLN = _trees(settings, edge, preference_PN, resource_P, context.random.torch("trees", number))
        adaptation = hypernet(preference_PN, resource_P)
        batch = batches.at(number)
        conditions = Conditions(settings.statistics, adaptation, peers=context.world)
        with features_in(settings.optimisation.precision, context.device):
            predictions = tree_forward(net, batch.images, parents_PLN, conditions)
        losses_PN = batch_losses(tasks, predictions, batch.targets, context.world)
        objective = (preference_PN * losses_PN).sum(dim=1).mean()
        return Outcome(objective=objective, task_losses_N=losses_PN.mean(dim=0))

    train(
        Training(
            modules={"weight": hypernet}, optimisation=settings.optimisation, tasks=tasks, compute=compute
        ),
        context,
    )
    save_module(hypernet, context.out_dir / WEIGHTS)


def load_weight(weight: Step, context: RunContext) -> WeightHypernet:
    """The frozen weight hypernet that a step has as an input."""
    settings: WeightConfig = weight.config
    net = load_anchor(weight.inputs["anchor"], context)
    hypernet = make_weight_hypernet(settings.hypernet, net, torch.Generator())
    load_module(hypernet, context.input_dirs["weight"] / WEIGHTS)
    return hypernet.requires_grad_(False).to(context.device)


@torch.no_grad()
def _trees(
    settings: WeightConfig,
    edge: EdgeHypernet,
    preference_PN: Tensor,
    resource_P: Tensor,
    generator: torch.Generator,
) -> Tensor:
    logits_PLNN = edge(preference_PN, resource_P)
    if settings.architecture == "sampled":
        noise = standard_gumbel(torch.rand(logits_PLNN.shape, generator=generator)).to(logits_PLNN.device)
        logits_PLNN = gumbel_softmax(logits_PLNN, noise, 1.0)
    return most_likely_parents(logits_PLNN).cpu()
