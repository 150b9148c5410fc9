"""PASCAL-Context, five tasks: Tables 1 and 7, with the recipe of Appendix G."""

from dymu.data.pascal import PASCAL
from dymu.methods.bmtas import BMTAS
from dymu.methods.controllable import Controllable
from dymu.methods.ltb import LTB
from dymu.methods.phn import PHN
from dymu.methods.phn_bn import PHNBN
from dymu.methods.retrained import Retrained
from dymu.methods.single_task import SingleTask
from dymu.methods.static_grid import StaticGrid
from dymu.networks.backbones.mobilenet_v2 import MobileNetV2
from dymu.networks.phn_hypernet import PHNHypernetConfig
from dymu.networks.pretrained import MOBILENET_V2
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Study
from dymu.stages.anchor import AnchorRecipe
from dymu.stages.bmtas import BMTASRecipe
from dymu.stages.edge import EdgeConfig
from dymu.stages.ltb import LTBRecipe
from dymu.stages.optimisation import Optimisation

DATA = PASCAL(num_tasks=5)
BACKBONE = MobileNetV2(pretrained=MOBILENET_V2)
# The recipe of BMTAS, which the paper refers to: SGD with momentum, 130 epochs of 312 steps of 16 pictures.
SINGLE_TASK_RECIPE = Optimisation(
    num_steps=130 * 312, optimiser="sgd", learning_rate=5e-3, schedule="poly", weight_decay=1e-4
)
ANCHOR = AnchorRecipe(backbone=BACKBONE, optimisation=SINGLE_TASK_RECIPE, batch_size=16)
EDGE = EdgeConfig(active_threshold=0.1)
EVALUATION = EvaluationConfig(reference_point=(3.0,) * 5, batch_size=16, order="shuffled")

ours = Study(
    name="pascal5-ours",
    dataset=DATA,
    method=Controllable(anchor=ANCHOR, edge=EDGE),
    evaluation=EVALUATION,
)
single_task = Study(
    name="pascal5-single-task", dataset=DATA, method=SingleTask(anchor=ANCHOR), evaluation=EVALUATION
)
static_grid = Study(
    name="pascal5-static-grid",
    dataset=DATA,
    method=StaticGrid(backbone=BACKBONE, optimisation=SINGLE_TASK_RECIPE, batch_size=16),
    evaluation=EVALUATION,
)
phn = Study(
    name="pascal5-phn",
    dataset=DATA,
    method=PHN(
        backbone=BACKBONE,
        optimisation=Optimisation(num_steps=30_000),
        hypernet=PHNHypernetConfig(num_matrices=21),
    ),
    evaluation=EVALUATION,
)
phn_bn = Study(
    name="pascal5-phn-bn",
    dataset=DATA,
    method=PHNBN(backbone=BACKBONE, optimisation=Optimisation(num_steps=30_000), static=SINGLE_TASK_RECIPE),
    evaluation=EVALUATION,
)

# Architectures by themselves (Table 7). Searches have the optimiser of BMTAS and as many steps as a hypernet;
# BMTAS's weight of 0.05 per GFLOP is 6.0 in the unit of its recipe.
SEARCH = Optimisation(num_steps=30_000, schedule="constant", weight_decay=1e-4)
retrained = Study(
    name="pascal5-retrained", dataset=DATA, method=Retrained(anchor=ANCHOR, edge=EDGE), evaluation=EVALUATION
)
ltb = Study(
    name="pascal5-ltb",
    dataset=DATA,
    method=LTB(anchor=ANCHOR, search=LTBRecipe(optimisation=SEARCH)),
    evaluation=EVALUATION,
)
bmtas = Study(
    name="pascal5-bmtas",
    dataset=DATA,
    method=BMTAS(anchor=ANCHOR, search=BMTASRecipe(optimisation=SEARCH, resource_weight=6.0)),
    evaluation=EVALUATION,
)
