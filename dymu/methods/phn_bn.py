"""PHN-BN: one shared backbone whose normalisation follows the preference (section 4.3)."""

from typing import Literal

from dymu.artifacts.config import config
from dymu.artifacts.step import Step
from dymu.networks.backbones.protocol import Backbone
from dymu.networks.preference_embedding import HypernetConfig
from dymu.spec.study import Study
from dymu.stages.evaluate import phn_bn_evaluation
from dymu.stages.optimisation import Optimisation
from dymu.stages.shared import PHNBNConfig, SharedConfig, phn_bn_step, shared_step


@config
class PHNBN:
    """A shared backbone with a normalisation hypernet.

    Attributes:
        backbone: Architecture of the one stream.
        optimisation: Of the hypernet, and of the convolutions if they are trained jointly.
        static: Optimisation of the static net whose convolutions are frozen; unused when trained jointly.
        convolutions: ``joint`` or ``frozen``; the paper does not say which it used.
        hypernet: Size of the hypernet.
        preferences_per_step: Preferences a step.
        batch_size: Images a step.
        static_batch_size: Images a step of the static net.
        concentration: Of the Dirichlet distribution of task preferences.
    """

    backbone: Backbone
    optimisation: Optimisation
    static: Optimisation
    convolutions: Literal["joint", "frozen"] = "joint"
    hypernet: HypernetConfig = HypernetConfig()
    preferences_per_step: int = 1
    batch_size: int = 16
    static_batch_size: int = 32
    concentration: float = 0.2

    def evaluation(self, study: Study, seed: int) -> Step:
        """(shared ->) phn_bn -> evaluate."""
        shared = None
        if self.convolutions == "frozen":
            settings = SharedConfig(
                dataset=study.dataset,
                backbone=self.backbone,
                optimisation=self.static,
                batch_size=self.static_batch_size,
            )
            shared = shared_step(settings, seed=seed)
        trained = phn_bn_step(
            PHNBNConfig(
                dataset=study.dataset,
                backbone=self.backbone,
                optimisation=self.optimisation,
                hypernet=self.hypernet,
                convolutions=self.convolutions,
                preferences_per_step=self.preferences_per_step,
                batch_size=self.batch_size,
                concentration=self.concentration,
            ),
            shared=shared,
            seed=seed,
        )
        return phn_bn_evaluation(study.evaluation, phn_bn=trained)
