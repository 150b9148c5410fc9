"""Two digits on a canvas: left digit, right digit, parity of their sum. Minutes on two CPU cores.

Steps and batch sizes are scaled down from Appendix G; everything else is the paper's. The reference point and
the settings below were chosen on the validation split (docs/log.md), before any test result was looked at.
"""

from dymu.data.digits import Digits
from dymu.methods.bmtas import BMTAS
from dymu.methods.controllable import Controllable
from dymu.methods.ltb import LTB
from dymu.methods.phn import PHN
from dymu.methods.phn_bn import PHNBN
from dymu.methods.retrained import Retrained
from dymu.methods.single_task import SingleTask
from dymu.methods.static_grid import StaticGrid
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.phn_hypernet import PHNHypernetConfig
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Study
from dymu.stages.anchor import AnchorRecipe
from dymu.stages.bmtas import BMTASRecipe
from dymu.stages.edge import EdgeConfig
from dymu.stages.ltb import LTBRecipe
from dymu.stages.optimisation import Optimisation
from dymu.stages.weight import WeightConfig

BACKBONE = SmallBackbone(channels=(8, 16, 16, 32, 32), resolutions=("keep", "halve", "keep", "keep", "halve"))
ANCHOR = AnchorRecipe(
    backbone=BACKBONE,
    optimisation=Optimisation(num_steps=800, learning_rate=3e-3, schedule="cosine"),
)
# A hundred decays of the temperature and two of the learning rate, as in the paper's 30 thousand steps. The
# rate is three times the paper's, because at 1e-3 the resource preference has no effect after so few steps.
EDGE = EdgeConfig(
    optimisation=Optimisation(num_steps=900, learning_rate=3e-3, decay_every=420),
    preferences_per_step=8,
    batch_size=8,
    temperature_every=9,
)
WEIGHT = WeightConfig(
    optimisation=Optimisation(num_steps=400, decay_every=187), preferences_per_step=4, batch_size=16
)
EVALUATION = EvaluationConfig(reference_point=(3.0, 3.0, 3.0))

ours = Study(
    name="digits-ours",
    dataset=Digits(),
    method=Controllable(anchor=ANCHOR, edge=EDGE, weight=WEIGHT),
    evaluation=EVALUATION,
)

# Baselines at matched budgets: as many images pass as many streams as in ours (docs/protocol.md, Budgets).
single_task = Study(
    name="digits-single-task", dataset=Digits(), method=SingleTask(anchor=ANCHOR), evaluation=EVALUATION
)
static_grid = Study(
    name="digits-static-grid",
    dataset=Digits(),
    method=StaticGrid(backbone=BACKBONE, optimisation=ANCHOR.optimisation, batch_size=ANCHOR.batch_size),
    evaluation=EVALUATION,
)
phn = Study(
    name="digits-phn",
    dataset=Digits(),
    method=PHN(
        backbone=BACKBONE,
        optimisation=Optimisation(num_steps=2350, decay_every=1100),
        hypernet=PHNHypernetConfig(num_matrices=5, matrix_weights=1000),
        preferences_per_step=8,
        batch_size=16,
    ),
    evaluation=EVALUATION,
)
phn_bn = Study(
    name="digits-phn-bn",
    dataset=Digits(),
    method=PHNBN(
        backbone=BACKBONE,
        optimisation=Optimisation(num_steps=2350, decay_every=1100),
        static=ANCHOR.optimisation,
        preferences_per_step=8,
        batch_size=16,
    ),
    evaluation=EVALUATION,
)
phn_bn_frozen = Study(
    name="digits-phn-bn-frozen",
    dataset=Digits(),
    method=PHNBN(
        backbone=BACKBONE,
        optimisation=Optimisation(num_steps=1750, decay_every=820),
        static=Optimisation(num_steps=2400, learning_rate=3e-3, schedule="cosine"),
        static_batch_size=ANCHOR.batch_size,
        convolutions="frozen",
        preferences_per_step=8,
        batch_size=16,
    ),
    evaluation=EVALUATION,
)

# Architectures by themselves (Tables 5 and 7). A search runs the N nodes of a layer once (LTB) or for each of
# N tasks (BMTAS), so BMTAS gets a third of the images.
SEARCH = Optimisation(num_steps=900, learning_rate=3e-3, schedule="cosine")
retrained = Study(
    name="digits-retrained",
    dataset=Digits(),
    method=Retrained(anchor=ANCHOR, edge=EDGE),
    evaluation=EVALUATION,
)
ltb = Study(
    name="digits-ltb",
    dataset=Digits(),
    method=LTB(anchor=ANCHOR, search=LTBRecipe(optimisation=SEARCH, batch_size=36)),
    evaluation=EVALUATION,
)
bmtas = Study(
    name="digits-bmtas",
    dataset=Digits(),
    method=BMTAS(anchor=ANCHOR, search=BMTASRecipe(optimisation=SEARCH, batch_size=12)),
    evaluation=EVALUATION,
)
