"""Two handwritten digits on one canvas, in the style of MultiMNIST: two tasks, with MNIST as the source.

Not the published pictures, whose generator is not public. With two tasks there is no affinity to use.
"""

from dymu.data.multimnist import MultiMNIST
from dymu.methods.controllable import Controllable
from dymu.methods.phn import PHN
from dymu.methods.phn_bn import PHNBN
from dymu.methods.single_task import SingleTask
from dymu.methods.static_grid import StaticGrid
from dymu.networks.backbones.resnet9 import ResNet9
from dymu.networks.phn_hypernet import PHNHypernetConfig
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Study
from dymu.stages.anchor import AnchorRecipe
from dymu.stages.edge import EdgeConfig
from dymu.stages.optimisation import Optimisation
from dymu.stages.weight import WeightConfig

BACKBONE = ResNet9(width=8)
ANCHOR = AnchorRecipe(
    backbone=BACKBONE,
    optimisation=Optimisation(num_steps=2000, learning_rate=3e-3, schedule="cosine"),
    batch_size=64,
)
EDGE = EdgeConfig(
    optimisation=Optimisation(num_steps=1500, decay_every=700),
    use_affinity=False,
    preferences_per_step=4,
    temperature_every=15,
)
WEIGHT = WeightConfig(optimisation=Optimisation(num_steps=1500, decay_every=700), preferences_per_step=4)
# The reference point that the literature on these data uses.
EVALUATION = EvaluationConfig(reference_point=(2.0, 2.0))

ours = Study(
    name="multimnist-ours",
    dataset=MultiMNIST(),
    method=Controllable(anchor=ANCHOR, edge=EDGE, weight=WEIGHT),
    evaluation=EVALUATION,
)
single_task = Study(
    name="multimnist-single-task",
    dataset=MultiMNIST(),
    method=SingleTask(anchor=ANCHOR),
    evaluation=EVALUATION,
)
static_grid = Study(
    name="multimnist-static-grid",
    dataset=MultiMNIST(),
    method=StaticGrid(backbone=BACKBONE, optimisation=ANCHOR.optimisation, batch_size=64),
    evaluation=EVALUATION,
)
phn = Study(
    name="multimnist-phn",
    dataset=MultiMNIST(),
    method=PHN(
        backbone=BACKBONE,
        optimisation=Optimisation(num_steps=6000),
        hypernet=PHNHypernetConfig(num_matrices=5, matrix_weights=1000),
        batch_size=64,
    ),
    evaluation=EVALUATION,
)
phn_bn = Study(
    name="multimnist-phn-bn",
    dataset=MultiMNIST(),
    method=PHNBN(
        backbone=BACKBONE,
        optimisation=Optimisation(num_steps=3000, decay_every=1400),
        static=ANCHOR.optimisation,
        preferences_per_step=4,
    ),
    evaluation=EVALUATION,
)
