"""NYU-v2, three tasks: Tables 3 and 6, Figures 5 to 8, with the recipe of Appendix G.

``small`` and what stands below it are for pictures of 120x160 and two CPU cores: MobileNetV2 instead of
ResNet-34, five branch points instead of seventeen, few steps. None of its numbers is the paper's.
"""

from dymu.data.nyuv2 import NYUv2
from dymu.methods.constant import Constant
from dymu.methods.controllable import Controllable
from dymu.methods.phn import PHN
from dymu.methods.phn_bn import PHNBN
from dymu.methods.single_task import SingleTask
from dymu.methods.static_grid import StaticGrid
from dymu.networks.backbones.coarse import Coarse
from dymu.networks.backbones.mobilenet_v2 import MobileNetV2
from dymu.networks.backbones.resnet34 import ResNet34
from dymu.networks.phn_hypernet import PHNHypernetConfig
from dymu.networks.pretrained import MOBILENET_V2, RESNET34
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Study
from dymu.stages.affinity import AffinityConfig
from dymu.stages.anchor import AnchorRecipe
from dymu.stages.edge import EdgeConfig
from dymu.stages.optimisation import Optimisation
from dymu.stages.path_losses import PathLossConfig
from dymu.stages.weight import WeightConfig

BACKBONE = ResNet34(pretrained=RESNET34)
# The recipe of BMTAS, which the paper refers to: SGD with momentum, 40 thousand steps of 16 pictures.
SINGLE_TASK_RECIPE = Optimisation(
    num_steps=40_000, optimiser="sgd", learning_rate=5e-3, schedule="poly", weight_decay=1e-4
)
ANCHOR = AnchorRecipe(backbone=BACKBONE, optimisation=SINGLE_TASK_RECIPE, batch_size=16)
EVALUATION = EvaluationConfig(reference_point=(4.0, 4.0, 4.0), batch_size=16, order="shuffled")

ours = Study(name="nyuv2-ours", dataset=NYUv2(), method=Controllable(anchor=ANCHOR), evaluation=EVALUATION)
single_task = Study(
    name="nyuv2-single-task", dataset=NYUv2(), method=SingleTask(anchor=ANCHOR), evaluation=EVALUATION
)
static_grid = Study(
    name="nyuv2-static-grid",
    dataset=NYUv2(),
    method=StaticGrid(backbone=BACKBONE, optimisation=SINGLE_TASK_RECIPE, batch_size=16),
    evaluation=EVALUATION,
)
phn = Study(
    name="nyuv2-phn",
    dataset=NYUv2(),
    method=PHN(
        backbone=BACKBONE,
        optimisation=Optimisation(num_steps=30_000),
        hypernet=PHNHypernetConfig(num_matrices=21),
    ),
    evaluation=EVALUATION,
)
phn_bn = Study(
    name="nyuv2-phn-bn",
    dataset=NYUv2(),
    method=PHNBN(backbone=BACKBONE, optimisation=Optimisation(num_steps=30_000), static=SINGLE_TASK_RECIPE),
    evaluation=EVALUATION,
)

_SMALL_DATA = NYUv2(height=120, width=160, num_test=300)
# Five branchable layers: blocks of one resolution together, and R-ASPP. With all scales and shifts: few steps
# do not repair what streams lose without them.
_SMALL_ANCHOR = AnchorRecipe(
    backbone=Coarse(
        backbone=MobileNetV2(final_affine=True, pretrained=MOBILENET_V2), ends=(2, 5, 12, 16, 17)
    ),
    optimisation=Optimisation(num_steps=400, learning_rate=1e-3, schedule="poly", weight_decay=1e-4),
    batch_size=8,
)
# The expected loss over all 3^5 paths, which costs nothing a step (docs/log.md).
_SMALL_EDGE = EdgeConfig(
    objective="tabulated",
    optimisation=Optimisation(num_steps=3000, decay_every=1400),
    preferences_per_step=24,
    temperature_every=30,
)
_SMALL_WEIGHT = WeightConfig(
    optimisation=Optimisation(num_steps=150, decay_every=70), preferences_per_step=2, batch_size=8
)
_SMALL_METHOD = Controllable(
    anchor=_SMALL_ANCHOR,
    affinity=AffinityConfig(num_instances=100),
    edge=_SMALL_EDGE,
    path_losses=PathLossConfig(num_images=16, batch_size=16),
    weight=_SMALL_WEIGHT,
)
_SMALL_EVALUATION = EvaluationConfig(reference_point=(4.0, 4.0, 4.0), batch_size=20, order="shuffled")

small = Study(name="nyuv2-small", dataset=_SMALL_DATA, method=_SMALL_METHOD, evaluation=_SMALL_EVALUATION)

# What the edge hypernet does by itself, for questions about branching.
small_unadapted = Study(
    name="nyuv2-small-unadapted",
    dataset=_SMALL_DATA,
    method=Controllable(
        anchor=_SMALL_ANCHOR,
        affinity=_SMALL_METHOD.affinity,
        edge=_SMALL_EDGE,
        path_losses=_SMALL_METHOD.path_losses,
        weight=None,
    ),
    evaluation=_SMALL_EVALUATION,
)
small_single_task = Study(
    name="nyuv2-small-single-task",
    dataset=_SMALL_DATA,
    method=SingleTask(anchor=_SMALL_ANCHOR),
    evaluation=_SMALL_EVALUATION,
)
# What pictures are worth: the most frequent class, the mean normal, the mean depth.
small_constant = Study(
    name="nyuv2-small-constant", dataset=_SMALL_DATA, method=Constant(), evaluation=_SMALL_EVALUATION
)
