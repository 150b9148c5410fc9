"""Stage 1: the edge hypernet, trained with the task loss and the branching regulariser (section 3.3.1)."""

from typing import Literal

import torch
from torch import Tensor

from dymu.artifacts.config import check, config
from dymu.artifacts.step import Step
from dymu.data.examples import Examples
from dymu.data.splits import Split
from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.edge_hypernet import EdgeHypernet, make_edge_hypernet
from dymu.networks.forward import soft_forward
from dymu.networks.norm import NormMode
from dymu.networks.preference_embedding import HypernetConfig
from dymu.objectives.branching import (
    BranchingReading,
    active_tasks,
    branching_regularizer,
    gumbel_softmax,
    standard_gumbel,
    temperature_at,
)
from dymu.stages.affinity import load_affinity
from dymu.stages.agreement import Outcome
from dymu.stages.anchor import AnchorConfig, load_anchor
from dymu.stages.batches import training_batches
from dymu.stages.context import RunContext
from dymu.stages.losses import batch_losses
from dymu.stages.optimisation import Optimisation
from dymu.stages.path_losses import expected_losses, load_path_losses
from dymu.stages.precision import features_in
from dymu.stages.preferences import draw_preferences
from dymu.stages.tensors import load_module, save_module
from dymu.stages.training import Training, train

STAGE = "edge"
REVISION = 1
WEIGHTS = "edge.safetensors"


@config
class EdgeConfig:
    """Configuration of the edge stage; defaults are the paper's (Appendix G) unless said otherwise.

    Attributes:
        optimisation: Adam, 30k steps, 1e-3 times 0.3 every 14k.
        hypernet: Size of the edge hypernet.
        objective: ``minibatch``: the task loss of softly mixed features on a batch (Algorithm 1).
            ``tabulated``: its exact expectation from a table of path losses.
        preferences_per_step: The paper draws one; several lower the variance (docs/log.md).
        batch_size: Images a step, shared by the step's preferences; not stated in the paper.
        concentration: Of the Dirichlet distribution of task preferences (eta).
        active_threshold: Preference from which a task is active (tau); 0 makes every task active.
        active_weight: Weight of the active loss (lambda_A).
        inactive_weight: Weight of the inactive loss (lambda_I).
        use_affinity: Whether the active loss is weighted by task affinity; otherwise A = 1.
        reading: How Eqs. 3 and 5 are read where the paper leaves it open.
        sample: ``soft`` samples of Eq. 4 in features and losses, ``straight_through`` one-hot forward with
            soft gradients, ``probabilities`` without noise.
        temperature_start: Of the Gumbel-softmax (zeta).
        temperature_decay: Factor applied every ``temperature_every`` steps.
        temperature_every: Steps between decays.
        temperature_floor: Lowest temperature; reached only in runs longer than the paper's.
        statistics: Normalisation statistics in the mixed network.
    """

    optimisation: Optimisation = Optimisation(num_steps=30_000)
    hypernet: HypernetConfig = HypernetConfig()
    objective: Literal["minibatch", "tabulated"] = "minibatch"
    preferences_per_step: int = 1
    batch_size: int = 16
    concentration: float = 0.2
    active_threshold: float = 0.2
    active_weight: float = 1.0
    inactive_weight: float = 0.1
    use_affinity: bool = True
    reading: BranchingReading = BranchingReading()
    sample: Literal["soft", "straight_through", "probabilities"] = "soft"
    temperature_start: float = 5.0
    temperature_decay: float = 0.97
    temperature_every: int = 300
    temperature_floor: float = 0.1
    statistics: Literal["batch", "running"] = "batch"

    def __post_init__(self) -> None:
        check(self.preferences_per_step >= 1, self, "preferences_per_step", "at least 1")
        check(self.batch_size >= 2, self, "batch_size", "at least 2")
        check(self.concentration > 0, self, "concentration", "a positive number")
        check(
            0 <= self.active_threshold < 1,
            self,
            "active_threshold",
            "a number in [0, 1); from 1 on no task could ever be active",
        )
        check(self.active_weight >= 0, self, "active_weight", "a number that is not negative")
        check(self.inactive_weight >= 0, self, "inactive_weight", "a number that is not negative")
        computes_features = self.objective == "minibatch"
        check(
            computes_features or self.optimisation.precision == "float32",
            self,
            "optimisation",
            "precision 'float32' with objective 'tabulated', which computes no features",
        )
        check(self.temperature_start > 0, self, "temperature_start", "a positive number")
        check(0 < self.temperature_decay <= 1, self, "temperature_decay", "a number in (0, 1]")
        check(self.temperature_every >= 1, self, "temperature_every", "at least 1")
        check(self.temperature_floor > 0, self, "temperature_floor", "a positive number")


def edge_step(
    settings: EdgeConfig, *, anchor: Step, affinity: Step, path_losses: Step | None, seed: int
) -> Step:
    """The step that trains the edge hypernet.

    Raises:
        SpecError: For two tasks with affinity, which is then zero between them however it is scaled; and if
            the table of path losses is missing or given in vain.
    """
    if (settings.objective == "tabulated") != (path_losses is not None):
        raise SpecError(
            "EdgeConfig.objective='tabulated' needs a step of path losses, and 'minibatch' takes none."
        )
    num_tasks = len(anchor.config.dataset.tasks)
    if num_tasks == 2 and settings.use_affinity and settings.active_weight > 0:
        raise SpecError(
            "EdgeConfig.use_affinity is True with 2 tasks: their one dissimilarity is the largest, so the "
            "affinity between them is always 0, the active loss vanishes and the resource preference has no "
            "effect. Set method.edge.use_affinity=false."
        )
    inputs = {"anchor": anchor, "affinity": affinity}
    if path_losses is not None:
        inputs["path_losses"] = path_losses
    return Step(stage=STAGE, revision=REVISION, config=settings, run=run_edge, inputs=inputs, seed=seed)


def run_edge(step: Step, context: RunContext) -> None:
    """Train the edge hypernet; publishes ``edge.safetensors``."""
    settings: EdgeConfig = step.config
    anchor: AnchorConfig = step.inputs["anchor"].config
    tasks = anchor.dataset.tasks
    size_P, num_tasks, num_layers = (
        settings.preferences_per_step,
        len(tasks),
        anchor.recipe.backbone.num_layers,
    )
    hypernet = make_edge_hypernet(
        settings.hypernet, context.random.torch("initialisation"), num_tasks=num_tasks, num_layers=num_layers
    ).to(context.device)
    affinity_NN = load_affinity(context) if settings.use_affinity else _no_affinity(num_tasks, context.device)
    task_losses = _tabulated(context) if settings.objective == "tabulated" else _minibatch(step, context)

    def compute(number: int) -> Outcome:
        preference_PN, resource_P = draw_preferences(
            size_P,
            num_tasks=num_tasks,
            concentration=settings.concentration,
            rng=context.random.numpy("preferences", number),
        )
        preference_PN, resource_P = preference_PN.to(context.device), resource_P.to(context.device)
        logits_PLNN = hypernet(preference_PN, resource_P)
        temperature = temperature_of(settings, number)
        probs_PLNN = sample_parents(
            settings, logits_PLNN, temperature, context.random.torch("gumbel", number)
        )
        losses_PN = task_losses(number, probs_PLNN)
        terms = branching_regularizer(
            probs_PLNN,
            affinity_NN,
            active_tasks(preference_PN, settings.active_threshold),
            resource_preference_P=resource_P,
            active_weight=settings.active_weight,
            inactive_weight=settings.inactive_weight,
            reading=settings.reading,
        )
        task_P = (preference_PN * losses_PN).sum(dim=1)
        return Outcome(
            objective=(task_P + terms.total).mean(),
            task_losses_N=losses_PN.mean(dim=0),
            metrics={
                "task_loss": task_P.mean(),
                "active_loss": terms.active.mean(),
                "inactive_loss": terms.inactive.mean(),
                "temperature": temperature,
            },
        )

    train(
        Training(
            modules={"edge": hypernet}, optimisation=settings.optimisation, tasks=tasks, compute=compute
        ),
        context,
    )
    save_module(hypernet, context.out_dir / WEIGHTS)


def temperature_of(settings: EdgeConfig, step: int) -> float:
    """Temperature of Eq. 4 at a training step."""
    return temperature_at(
        step,
        start=settings.temperature_start,
        decay=settings.temperature_decay,
        every=settings.temperature_every,
        floor=settings.temperature_floor,
    )


def sample_parents(
    settings: EdgeConfig, logits_PLNN: Tensor, temperature: float, generator: torch.Generator
) -> Tensor:
    """Parent probabilities as the configured kind of sample.

    Args:
        settings: Says which: ``probabilities`` draws no Gumbel noise, the others do (Eq. 4).
        logits_PLNN: Of the edge hypernet.
        temperature: zeta of Eq. 4.
        generator: Draws the noise, on the CPU.

    Returns:
        (P, L, N, N), rows sum to one; ``straight_through`` is one-hot and has the soft one's gradients.
    """
    if settings.sample == "probabilities":
        return logits_PLNN.softmax(dim=-1)
    noise = standard_gumbel(torch.rand(logits_PLNN.shape, generator=generator)).to(logits_PLNN.device)
    soft = gumbel_softmax(logits_PLNN, noise, temperature)
    if settings.sample == "soft":
        return soft
    hard = torch.zeros_like(soft).scatter_(-1, soft.argmax(dim=-1, keepdim=True), 1.0)
    return hard + soft - soft.detach()


def load_edge(edge: Step, context: RunContext) -> EdgeHypernet:
    """The frozen edge hypernet that a step has as an input."""
    settings: EdgeConfig = edge.config
    anchor: AnchorConfig = edge.inputs["anchor"].config
    hypernet = make_edge_hypernet(
        settings.hypernet,
        torch.Generator(),
        num_tasks=len(anchor.dataset.tasks),
        num_layers=anchor.recipe.backbone.num_layers,
    )
    load_module(hypernet, context.input_dirs["edge"] / WEIGHTS)
    return hypernet.requires_grad_(False).to(context.device)


class _Minibatch:
    """Task losses of softly mixed features on the step's batch (Algorithm 1)."""

    def __init__(self, step: Step, context: RunContext, net: AnchorNet, examples: Examples) -> None:
        self.settings: EdgeConfig = step.config
        self.context, self.net = context, net
        self.batches = training_batches(examples, self.settings.batch_size, context)
        self.mode: NormMode = self.settings.statistics

    def __call__(self, number: int, probs_PLNN: Tensor) -> Tensor:
        world = self.context.world
        batch = self.batches.at(number)
        with features_in(self.settings.optimisation.precision, self.context.device):
            predictions = soft_forward(self.net, batch.images, probs_PLNN, mode=self.mode, peers=world)
        return batch_losses(self.net.tasks, predictions, batch.targets, world)


class _Tabulated:
    """Expected task losses from the table of path losses."""

    def __init__(self, table: Tensor) -> None:
        self.table = table

    def __call__(self, number: int, probs_PLNN: Tensor) -> Tensor:  # noqa: ARG002
        return expected_losses(self.table, probs_PLNN)


def _minibatch(step: Step, context: RunContext) -> _Minibatch:
    anchor = step.inputs["anchor"]
    examples: Examples = anchor.config.dataset.load(Split.TRAIN, context.data)
    examples.require(anchor.config.dataset.tasks)
    return _Minibatch(step, context, load_anchor(anchor, context), examples)


def _tabulated(context: RunContext) -> _Tabulated:
    return _Tabulated(load_path_losses(context))


def _no_affinity(num_tasks: int, device: str) -> Tensor:
    return torch.ones(num_tasks, num_tasks, device=device)
