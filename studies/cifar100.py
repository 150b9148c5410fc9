"""CIFAR-100 as twenty five-way tasks: Table 4, with the recipe of Appendix G.

``reduced`` and what stands below it fit two CPU cores in less than an hour; all of their numbers are scaled
down, none is the paper's. The reference point is the cross-entropy of a guess, ln 5, in every coordinate
(docs/protocol.md, no. 49).
"""

import math

from dymu.data.cifar100 import CIFAR100
from dymu.methods.constant import Constant
from dymu.methods.controllable import Controllable
from dymu.methods.phn import PHN
from dymu.methods.phn_bn import PHNBN
from dymu.methods.single_task import SingleTask
from dymu.methods.static_grid import StaticGrid
from dymu.networks.backbones.resnet9 import ResNet9
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Study
from dymu.stages.affinity import AffinityConfig
from dymu.stages.anchor import AnchorRecipe
from dymu.stages.edge import EdgeConfig
from dymu.stages.optimisation import Optimisation
from dymu.stages.weight import WeightConfig

NUM_TASKS = 20
GUESS = (math.log(5),) * NUM_TASKS

BACKBONE = ResNet9()
# Adam for 75 epochs of 2250 pictures per task, in batches of 128 per task. Streams start from one random
# start; the paper does not say how.
ANCHOR = AnchorRecipe(
    backbone=BACKBONE,
    optimisation=Optimisation(
        num_steps=75 * 2250 // 128, learning_rate=1e-3, schedule="constant", weight_decay=1e-5
    ),
    batch_size=128,
)
# Six pictures per task are 120 in all.
EDGE = EdgeConfig(batch_size=6, active_threshold=0.02, active_weight=0.2, inactive_weight=0.02)
WEIGHT = WeightConfig(batch_size=6)
EVALUATION = EvaluationConfig(reference_point=GUESS)

ours = Study(
    name="cifar100-ours",
    dataset=CIFAR100(),
    method=Controllable(anchor=ANCHOR, edge=EDGE, weight=WEIGHT),
    evaluation=EVALUATION,
)
single_task = Study(
    name="cifar100-single-task",
    dataset=CIFAR100(),
    method=SingleTask(anchor=ANCHOR),
    evaluation=EVALUATION,
)
static_grid = Study(
    name="cifar100-static-grid",
    dataset=CIFAR100(),
    method=StaticGrid(backbone=BACKBONE, optimisation=ANCHOR.optimisation, batch_size=128),
    evaluation=EVALUATION,
)
phn = Study(
    name="cifar100-phn",
    dataset=CIFAR100(),
    method=PHN(backbone=BACKBONE, optimisation=Optimisation(num_steps=30_000), batch_size=6),
    evaluation=EVALUATION,
)
phn_bn = Study(
    name="cifar100-phn-bn",
    dataset=CIFAR100(),
    method=PHNBN(
        backbone=BACKBONE,
        optimisation=Optimisation(num_steps=30_000),
        static=ANCHOR.optimisation,
        batch_size=6,
        static_batch_size=128,
    ),
    evaluation=EVALUATION,
)

# An eighth of the width, and streams that start from one net of all tasks: twenty short runs from a random
# start would not get far.
_SMALL_ANCHOR = AnchorRecipe(
    backbone=ResNet9(width=8),
    optimisation=Optimisation(num_steps=700, learning_rate=1e-3, schedule="cosine", weight_decay=1e-5),
    batch_size=16,
    initialisation="shared",
    pretraining=Optimisation(num_steps=1200, learning_rate=3e-3, schedule="cosine", weight_decay=1e-5),
    pretraining_batch_size=16,
)
# A hundred decays of the temperature and two of the learning rate, at three times the paper's rate.
_SMALL_EDGE = EdgeConfig(
    optimisation=Optimisation(num_steps=1000, learning_rate=3e-3, decay_every=467),
    batch_size=3,
    active_threshold=0.02,
    active_weight=0.2,
    inactive_weight=0.02,
    temperature_every=10,
)
_SMALL_WEIGHT = WeightConfig(optimisation=Optimisation(num_steps=400, decay_every=187), batch_size=8)
_SMALL_EVALUATION = EvaluationConfig(reference_point=GUESS, batch_size=50)

reduced = Study(
    name="cifar100-reduced",
    dataset=CIFAR100(),
    method=Controllable(
        anchor=_SMALL_ANCHOR, affinity=AffinityConfig(), edge=_SMALL_EDGE, weight=_SMALL_WEIGHT
    ),
    evaluation=_SMALL_EVALUATION,
)
reduced_single_task = Study(
    name="cifar100-reduced-single-task",
    dataset=CIFAR100(),
    method=SingleTask(anchor=_SMALL_ANCHOR),
    evaluation=_SMALL_EVALUATION,
)
# What pictures are worth: the same answer for all of them.
reduced_constant = Study(
    name="cifar100-reduced-constant",
    dataset=CIFAR100(),
    method=Constant(),
    evaluation=_SMALL_EVALUATION,
)
