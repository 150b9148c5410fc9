"""Ray-cast rooms at 32x32: semantic segmentation, surface normals, depth. A task trio like NYU-v2's.

Steps and batch sizes are scaled down from Appendix G; everything else is the paper's.
"""

from dymu.data.scenes import Scenes
from dymu.methods.controllable import Controllable
from dymu.methods.phn_bn import PHNBN
from dymu.methods.single_task import SingleTask
from dymu.methods.static_grid import StaticGrid
from dymu.networks.backbones.small import SmallBackbone
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Study
from dymu.stages.anchor import AnchorRecipe
from dymu.stages.edge import EdgeConfig
from dymu.stages.optimisation import Optimisation
from dymu.stages.weight import WeightConfig

BACKBONE = SmallBackbone(
    channels=(8, 16, 16, 32, 16), resolutions=("keep", "halve", "keep", "halve", "double")
)
ANCHOR = AnchorRecipe(
    backbone=BACKBONE,
    optimisation=Optimisation(num_steps=800, learning_rate=3e-3, schedule="cosine"),
    batch_size=16,
)
# As in digits: a hundred decays of the temperature, two of the learning rate, three times the paper's rate.
EDGE = EdgeConfig(
    optimisation=Optimisation(num_steps=600, learning_rate=3e-3, decay_every=280),
    preferences_per_step=8,
    batch_size=8,
    temperature_every=6,
)
WEIGHT = WeightConfig(
    optimisation=Optimisation(num_steps=400, decay_every=187), preferences_per_step=4, batch_size=16
)
EVALUATION = EvaluationConfig(reference_point=(3.0, 3.0, 3.0), batch_size=50)

ours = Study(
    name="scenes-ours",
    dataset=Scenes(),
    method=Controllable(anchor=ANCHOR, edge=EDGE, weight=WEIGHT),
    evaluation=EVALUATION,
)

# What the edge hypernet does by itself, for questions about branching.
unadapted = Study(
    name="scenes-unadapted",
    dataset=Scenes(),
    method=Controllable(anchor=ANCHOR, edge=EDGE, weight=None),
    evaluation=EVALUATION,
)

# Baselines at matched budgets: as many images pass as many streams as in ours (docs/protocol.md, Budgets).
single_task = Study(
    name="scenes-single-task", dataset=Scenes(), method=SingleTask(anchor=ANCHOR), evaluation=EVALUATION
)
static_grid = Study(
    name="scenes-static-grid",
    dataset=Scenes(),
    method=StaticGrid(backbone=BACKBONE, optimisation=ANCHOR.optimisation, batch_size=ANCHOR.batch_size),
    evaluation=EVALUATION,
)
phn_bn = Study(
    name="scenes-phn-bn",
    dataset=Scenes(),
    method=PHNBN(
        backbone=BACKBONE,
        optimisation=Optimisation(num_steps=1600, decay_every=747),
        static=ANCHOR.optimisation,
        preferences_per_step=8,
        batch_size=16,
    ),
    evaluation=EVALUATION,
)
phn_bn_frozen = Study(
    name="scenes-phn-bn-frozen",
    dataset=Scenes(),
    method=PHNBN(
        backbone=BACKBONE,
        optimisation=Optimisation(num_steps=1300, decay_every=607),
        static=Optimisation(num_steps=2400, learning_rate=3e-3, schedule="cosine"),
        static_batch_size=ANCHOR.batch_size,
        convolutions="frozen",
        preferences_per_step=8,
        batch_size=16,
    ),
    evaluation=EVALUATION,
)
