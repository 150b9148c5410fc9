"""PHN: a chunked hypernet that generates all weights of one shared net (the baseline of section 4.3).

The objective is linear scalarisation, sum_i r_i w_i L_i. The generated net has no weights of its own to go
on from, so each preference of a step runs by itself, and statistics are always those of the batch.
"""

import torch

from dymu.artifacts.config import check, config
from dymu.artifacts.step import Step
from dymu.data.examples import Examples
from dymu.data.splits import Split
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.protocol import Backbone
from dymu.networks.forward import Conditions
from dymu.networks.phn_hypernet import (
    PHNHypernet,
    PHNHypernetConfig,
    generated_forward,
    make_phn_hypernet,
    named_weights,
)
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

STAGE = "phn"
REVISION = 1
HYPERNET = "hypernet.safetensors"
STEM = "stem.safetensors"


@config
class PHNConfig:
    """Configuration of PHN.

    Attributes:
        dataset: What is learnt.
        backbone: Architecture of the one stream that is generated.
        optimisation: Of the hypernet; the paper does not state its length (docs/protocol.md, no. 37).
        hypernet: Size of the hypernet.
        preferences_per_step: Preferences a step; each costs a pass of its own.
        batch_size: Images a step, shared by the step's preferences.
        concentration: Of the Dirichlet distribution of task preferences.
    """

    dataset: Dataset
    backbone: Backbone
    optimisation: Optimisation
    hypernet: PHNHypernetConfig = PHNHypernetConfig()
    preferences_per_step: int = 1
    batch_size: int = 16
    concentration: float = 0.2

    def __post_init__(self) -> None:
        check(self.preferences_per_step >= 1, self, "preferences_per_step", "at least 1")
        check(self.batch_size >= 2, self, "batch_size", "at least 2")
        check(self.concentration > 0, self, "concentration", "a positive number")


def phn_step(settings: PHNConfig, *, seed: int) -> Step:
    """The step that trains PHN."""
    return Step(stage=STAGE, revision=REVISION, config=settings, run=run_phn, seed=seed)


def run_phn(step: Step, context: RunContext) -> None:
    """Train PHN; publishes ``hypernet.safetensors``, and ``stem.safetensors`` if the backbone has a stem."""
    settings: PHNConfig = step.config
    tasks = settings.dataset.tasks
    examples: Examples = settings.dataset.load(Split.TRAIN, context.data)
    examples.require(tasks)
    net = _shared_net(settings, context.random.torch("initialisation")).to(context.device)
    if net.stem is not None:
        start_pretrained(net, context)
    hypernet = make_phn_hypernet(settings.hypernet, net, context.random.torch("hypernet")).to(context.device)
    batches = training_batches(examples, settings.batch_size, context)

    def compute(number: int) -> Outcome:
        preference_PN, _ = draw_preferences(
            settings.preferences_per_step,
            num_tasks=len(tasks),
            concentration=settings.concentration,
            rng=context.random.numpy("preferences", number),
        )
        preference_PN = preference_PN.to(context.device)
        batch = batches.at(number)
        conditions = Conditions("batch", peers=context.world)
        rows = []
        for preference_N in preference_PN:
            weights = named_weights(net, hypernet(preference_N))
            with features_in(settings.optimisation.precision, context.device):
                predictions = generated_forward(net, weights, batch.images, conditions)
            rows.append(batch_losses(tasks, predictions, batch.targets, context.world))
        losses_PN = torch.cat(rows)
        return Outcome(
            objective=(preference_PN * losses_PN).sum(dim=1).mean(), task_losses_N=losses_PN.mean(dim=0)
        )

    train(
        Training(
            modules={"hypernet": hypernet}, optimisation=settings.optimisation, tasks=tasks, compute=compute
        ),
        context,
    )
    save_module(hypernet, context.out_dir / HYPERNET)
    if net.stem is not None:
        save_module(net.stem, context.out_dir / STEM)


def load_phn(phn: Step, context: RunContext) -> tuple[AnchorNet, PHNHypernet]:
    """A net whose streams and heads wait to be generated, and the frozen hypernet; a step's input ``phn``."""
    settings: PHNConfig = phn.config
    net = _shared_net(settings, torch.Generator())
    folder = context.input_dirs["phn"]
    if net.stem is not None:
        load_module(net.stem, folder / STEM)
    hypernet = make_phn_hypernet(settings.hypernet, net, torch.Generator())
    load_module(hypernet, folder / HYPERNET)
    hypernet.requires_grad_(False)
    return net.requires_grad_(False).eval().to(context.device), hypernet.to(context.device)


def _shared_net(settings: PHNConfig, generator: torch.Generator) -> AnchorNet:
    dataset = settings.dataset
    return single_task_nets(settings.backbone, dataset.tasks, dataset.input_shape, generator, num_streams=1)
