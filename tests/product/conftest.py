"""A store in which the paper's method has been trained at its smallest, and controllers from it."""

import pytest
import torch
from torch import Tensor

from dymu.artifacts.config import changed
from dymu.artifacts.store import Store
from dymu.data.digits import Digits
from dymu.methods.controllable import Controllable
from dymu.methods.single_task import SingleTask
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.controller import Controller
from dymu.networks.edge_hypernet import make_edge_hypernet
from dymu.networks.norm import Norm
from dymu.networks.preference_embedding import HypernetConfig
from dymu.networks.weight_hypernet import make_weight_hypernet
from dymu.product.controller import TrainedController
from dymu.run.execute import execute_step
from dymu.run.place import Place
from dymu.run.provenance import CodeVersion
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Study
from dymu.spec.task import Task
from dymu.stages.anchor import AnchorRecipe
from dymu.stages.edge import EdgeConfig
from dymu.stages.optimisation import Optimisation
from dymu.stages.weight import WeightConfig

SHORT = Optimisation(num_steps=3, learning_rate=0.02)
ANCHOR = AnchorRecipe(
    backbone=SmallBackbone(channels=(2, 3), resolutions=("halve", "keep")), optimisation=SHORT, batch_size=8
)
STUDY = Study(
    name="tiny",
    dataset=Digits(num_train=40, num_val=20, num_test=20),
    method=Controllable(
        anchor=ANCHOR,
        edge=EdgeConfig(optimisation=SHORT, batch_size=4),
        weight=WeightConfig(optimisation=SHORT, batch_size=4),
    ),
    evaluation=EvaluationConfig(reference_point=(9.0, 9.0, 9.0), num_preferences=4, num_cost_preferences=8),
)
TASKS = (
    Task(name="digit", kind="classification", num_outputs=4),
    Task(name="rooms", kind="segmentation", num_outputs=3),
    Task(name="depth", kind="depth", num_outputs=1),
)
IMAGE_SHAPE = (2, 8, 6)


@pytest.fixture(scope="session")
def study() -> Study:
    """The paper's method at its smallest."""
    return STUDY


@pytest.fixture(scope="session")
def single_task() -> Study:
    """The anchor nets of the study by themselves."""
    return changed(STUDY, {"method": SingleTask(anchor=ANCHOR)})


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, single_task: Study) -> Store:
    """A store with both studies in it."""
    store = Store(tmp_path_factory.mktemp("trained"))
    place = Place(code=CodeVersion(revision=None, dirty=None, lock=None))
    for study in (STUDY, single_task):
        for step in study.evaluation_step(0).closure():
            execute_step(step, store, place, lambda: False)
    return store


@pytest.fixture(scope="session")
def untrained() -> TrainedController:
    """Random numbers everywhere: every preference has another tree, and every node another function."""
    generator = torch.Generator().manual_seed(3)
    backbone = SmallBackbone(
        channels=(3, 4, 4), resolutions=("halve", "keep", "double"), head_channels=3, skip_layer=0
    )
    net = single_task_nets(backbone, TASKS, IMAGE_SHAPE, generator, common_initialisation=False)
    size = HypernetConfig(embedding_dim=4, hidden_dim=8, embedding_std=3.0)
    edge = make_edge_hypernet(size, generator, num_tasks=3, num_layers=3)
    weight = make_weight_hypernet(size, net, generator)
    with torch.no_grad():
        weight.heads.weight.normal_(0.0, 0.2, generator=generator)
    return TrainedController(
        Controller(shaken(net, generator), edge.requires_grad_(False), weight.requires_grad_(False)),
        source="nowhere",
    )


def shaken(net: AnchorNet, generator: torch.Generator) -> AnchorNet:
    """Normalisations with statistics as after some training."""
    with torch.no_grad():
        for norm in (module for module in net.modules() if isinstance(module, Norm)):
            norm.running_mean.normal_(0, 0.3, generator=generator)
            norm.running_var.uniform_(0.5, 2.0, generator=generator)
    return net.requires_grad_(False)


@pytest.fixture
def images() -> Tensor:
    """(5, 2, 8, 6)."""
    return torch.randn(5, *IMAGE_SHAPE, generator=torch.Generator().manual_seed(1))
