"""Baselines with one shared backbone: static multi-task nets, and PHN-BN.

A static net minimises sum_i r_i w_i L_i for one fixed preference. PHN-BN (section 4.3) adds a hypernet that
maps the task preference to normalisation parameters; its convolutions are trained jointly, or taken from a
static net and frozen, which is the counterpart of the frozen anchor.
"""

from typing import Literal

import torch

from dymu.artifacts.config import check, config
from dymu.artifacts.step import Step
from dymu.data.examples import Examples
from dymu.data.splits import Split
from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.protocol import Backbone
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.preference_embedding import HypernetConfig
from dymu.networks.tree import shared_stream
from dymu.networks.weight_hypernet import WeightHypernet, make_weight_hypernet
from dymu.spec.dataset import Dataset
from dymu.stages.agreement import Outcome
from dymu.stages.batches import training_batches
from dymu.stages.context import RunContext
from dymu.stages.losses import batch_losses
from dymu.stages.optimisation import Optimisation
from dymu.stages.precision import features_in
from dymu.stages.preferences import draw_preferences
from dymu.stages.start import start_pretrained
from dymu.stages.tensors import load_module, save_module
from dymu.stages.training import Training, train

STAGE = "shared"
PHN_BN_STAGE = "phn_bn"
REVISION = 1
WEIGHTS = "shared.safetensors"
HYPERNET = "hypernet.safetensors"


@config
class SharedConfig:
    """Configuration of a static multi-task net.

    Attributes:
        dataset: What is learnt.
        backbone: Architecture of the one stream.
        optimisation: Of backbone and heads.
        batch_size: Images a step.
        preference: Fixed task preference; ``None`` for the uniform one.
    """

    dataset: Dataset
    backbone: Backbone
    optimisation: Optimisation
    batch_size: int = 32
    preference: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check(self.batch_size >= 2, self, "batch_size", "at least 2")
        num_tasks = len(self.dataset.tasks)
        fits = self.preference is None or (
            len(self.preference) == num_tasks
            and all(value >= 0 for value in self.preference)
            and abs(sum(self.preference) - 1) < 1e-4
        )
        check(fits, self, "preference", f"None or {num_tasks} numbers >= 0 that sum to one")


@config
class PHNBNConfig:
    """Configuration of PHN-BN.

    Attributes:
        dataset: What is learnt.
        backbone: Architecture of the one stream.
        optimisation: Of the hypernet, and of backbone and heads if they are trained.
        hypernet: Size of the hypernet.
        convolutions: ``joint`` trains backbone and heads together with the hypernet; ``frozen`` takes them
            from a static net trained for the uniform preference. The paper does not say which it did.
        preferences_per_step: Preferences a step.
        batch_size: Images a step, shared by the step's preferences.
        concentration: Of the Dirichlet distribution of task preferences.
    """

    dataset: Dataset
    backbone: Backbone
    optimisation: Optimisation
    hypernet: HypernetConfig = HypernetConfig()
    convolutions: Literal["joint", "frozen"] = "joint"
    preferences_per_step: int = 1
    batch_size: int = 16
    concentration: float = 0.2

    def __post_init__(self) -> None:
        check(self.preferences_per_step >= 1, self, "preferences_per_step", "at least 1")
        check(self.batch_size >= 2, self, "batch_size", "at least 2")
        check(self.concentration > 0, self, "concentration", "a positive number")


def shared_step(settings: SharedConfig, *, seed: int) -> Step:
    """The step that trains a static multi-task net."""
    return Step(stage=STAGE, revision=REVISION, config=settings, run=run_shared, seed=seed)


def phn_bn_step(settings: PHNBNConfig, *, shared: Step | None, seed: int) -> Step:
    """The step that trains PHN-BN.

    Raises:
        SpecError: If frozen convolutions are asked for without a static net to take them from.
    """
    if (settings.convolutions == "frozen") != (shared is not None):
        raise SpecError(
            "PHNBNConfig.convolutions='frozen' needs a static net as input, and 'joint' takes none."
        )
    inputs = {} if shared is None else {"shared": shared}
    return Step(
        stage=PHN_BN_STAGE, revision=REVISION, config=settings, run=run_phn_bn, inputs=inputs, seed=seed
    )


def trained_for(settings: SharedConfig) -> tuple[float, ...]:
    """The task preference of a static net, one share per task."""
    num_tasks = len(settings.dataset.tasks)
    return settings.preference or (1.0 / num_tasks,) * num_tasks


def run_shared(step: Step, context: RunContext) -> None:
    """Train one shared backbone with N heads; publishes ``shared.safetensors``."""
    settings: SharedConfig = step.config
    tasks = settings.dataset.tasks
    examples = _training_examples(settings.dataset, context)
    net = _shared_net(settings, context.random.torch("initialisation")).to(context.device)
    start_pretrained(net, context)
    parents = shared_stream(net.num_layers, len(tasks))
    preference_N = torch.tensor(trained_for(settings), dtype=torch.float32, device=context.device)
    batches = training_batches(examples, settings.batch_size, context)

    def compute(number: int) -> Outcome:
        batch = batches.at(number)
        with features_in(settings.optimisation.precision, context.device):
            predictions = tree_forward(net, batch.images, parents, Conditions("train", peers=context.world))
        losses_N = batch_losses(tasks, predictions, batch.targets, context.world)[0]
        # Times N, so that a uniform preference has the step size of N single-task losses.
        return Outcome(objective=len(tasks) * (preference_N * losses_N).sum(), task_losses_N=losses_N)

    train(
        Training(modules={"shared": net}, optimisation=settings.optimisation, tasks=tasks, compute=compute),
        context,
    )
    save_module(net, context.out_dir / WEIGHTS)


def run_phn_bn(step: Step, context: RunContext) -> None:
    """Train PHN-BN; publishes ``shared.safetensors`` and ``hypernet.safetensors``."""
    settings: PHNBNConfig = step.config
    tasks = settings.dataset.tasks
    examples = _training_examples(settings.dataset, context)
    if settings.convolutions == "frozen":
        net = load_shared(step.inputs["shared"], context)
    else:
        net = _shared_net(settings, context.random.torch("initialisation")).to(context.device)
        start_pretrained(net, context)
    hypernet = make_weight_hypernet(
        settings.hypernet, net, context.random.torch("hypernet"), use_resource=False
    ).to(context.device)
    parents = shared_stream(net.num_layers, len(tasks))
    batches = training_batches(examples, settings.batch_size, context)

    def compute(number: int) -> Outcome:
        preference_PN, resource_P = draw_preferences(
            settings.preferences_per_step,
            num_tasks=len(tasks),
            concentration=settings.concentration,
            rng=context.random.numpy("preferences", number),
        )
        preference_PN = preference_PN.to(context.device)
        adaptation = hypernet(preference_PN, resource_P.to(context.device))
        batch = batches.at(number)
        trees = parents.expand(settings.preferences_per_step, -1, -1)
        conditions = Conditions("batch", adaptation, peers=context.world)
        with features_in(settings.optimisation.precision, context.device):
            predictions = tree_forward(net, batch.images, trees, conditions)
        losses_PN = batch_losses(tasks, predictions, batch.targets, context.world)
        return Outcome(
            objective=(preference_PN * losses_PN).sum(dim=1).mean(), task_losses_N=losses_PN.mean(dim=0)
        )

    modules: dict[str, torch.nn.Module] = {"hypernet": hypernet}
    if settings.convolutions == "joint":
        modules["shared"] = net
    train(
        Training(modules=modules, optimisation=settings.optimisation, tasks=tasks, compute=compute), context
    )
    save_module(net, context.out_dir / WEIGHTS)
    save_module(hypernet, context.out_dir / HYPERNET)


def load_shared(shared: Step, context: RunContext, role: str = "shared") -> AnchorNet:
    """The frozen shared net that a step has as an input (of a static net or of PHN-BN)."""
    net = _shared_net(shared.config, torch.Generator())
    load_module(net, context.input_dirs[role] / WEIGHTS)
    return net.requires_grad_(False).eval().to(context.device)


def load_phn_bn_hypernet(net: AnchorNet, step: Step, context: RunContext) -> WeightHypernet:
    """The frozen hypernet of a PHN-BN input."""
    settings: PHNBNConfig = step.config
    hypernet = make_weight_hypernet(settings.hypernet, net, torch.Generator(), use_resource=False)
    load_module(hypernet, context.input_dirs["phn_bn"] / HYPERNET)
    return hypernet.requires_grad_(False).to(context.device)


def _shared_net(settings: SharedConfig | PHNBNConfig, generator: torch.Generator) -> AnchorNet:
    dataset = settings.dataset
    return single_task_nets(settings.backbone, dataset.tasks, dataset.input_shape, generator, num_streams=1)


def _training_examples(dataset: Dataset, context: RunContext) -> Examples:
    examples: Examples = dataset.load(Split.TRAIN, context.data)
    examples.require(dataset.tasks)
    return examples
