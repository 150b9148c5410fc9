"""A study of the paper's method that is just long enough to be disturbed: three training stages of seconds.

Its name comes from ``DYMU_CHAOS_NAME``, so that one tracking server can hold many runs of it; no address
depends on the name.
"""

import os

from dymu.data.digits import Digits
from dymu.methods.controllable import Controllable
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.preference_embedding import HypernetConfig
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Study
from dymu.stages.anchor import AnchorRecipe
from dymu.stages.edge import EdgeConfig
from dymu.stages.optimisation import Optimisation
from dymu.stages.weight import WeightConfig

STEPS = 300  # of each training stage

_HYPERNET = HypernetConfig(embedding_dim=8, hidden_dim=16)
_ANCHOR = AnchorRecipe(
    backbone=SmallBackbone(channels=(4, 8), resolutions=("keep", "halve")),
    optimisation=Optimisation(num_steps=STEPS),
    batch_size=8,
)
_EDGE = EdgeConfig(
    optimisation=Optimisation(num_steps=STEPS), hypernet=_HYPERNET, preferences_per_step=2, batch_size=8
)


def _study(name: str, concentration: float) -> Study:
    weight = WeightConfig(
        optimisation=Optimisation(num_steps=STEPS),
        hypernet=_HYPERNET,
        preferences_per_step=2,
        batch_size=8,
        concentration=concentration,
    )
    return Study(
        name=name,
        dataset=Digits(num_train=200, num_val=40, num_test=100),
        method=Controllable(anchor=_ANCHOR, edge=_EDGE, weight=weight),
        evaluation=EvaluationConfig(
            reference_point=(12.0, 12.0, 12.0), num_preferences=6, num_cost_preferences=50, batch_size=50
        ),
    )


_NAME = os.environ.get("DYMU_CHAOS_NAME", "chaos")
ours = _study(_NAME, 0.2)
twin = _study(_NAME, 0.5)  # shares all but the last two steps
