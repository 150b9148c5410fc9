"""PHN: a hypernet generates all weights of one shared net from the task preference (section 4.3)."""

from dymu.artifacts.config import config
from dymu.artifacts.step import Step
from dymu.networks.backbones.protocol import Backbone
from dymu.networks.phn_hypernet import PHNHypernetConfig
from dymu.spec.study import Study
from dymu.stages.evaluate import phn_evaluation
from dymu.stages.optimisation import Optimisation
from dymu.stages.phn import PHNConfig, phn_step


@config
class PHN:
    """A Pareto HyperNetwork with chunking, trained by linear scalarisation.

    Attributes:
        backbone: Architecture of the one stream that is generated.
        optimisation: Of the hypernet.
        hypernet: Size of the hypernet.
        preferences_per_step: Preferences a step.
        batch_size: Images a step.
        concentration: Of the Dirichlet distribution of task preferences.
    """

    backbone: Backbone
    optimisation: Optimisation
    hypernet: PHNHypernetConfig = PHNHypernetConfig()
    preferences_per_step: int = 1
    batch_size: int = 16
    concentration: float = 0.2

    def evaluation(self, study: Study, seed: int) -> Step:
        """Phn -> evaluate."""
        trained = phn_step(
            PHNConfig(
                dataset=study.dataset,
                backbone=self.backbone,
                optimisation=self.optimisation,
                hypernet=self.hypernet,
                preferences_per_step=self.preferences_per_step,
                batch_size=self.batch_size,
                concentration=self.concentration,
            ),
            seed=seed,
        )
        return phn_evaluation(study.evaluation, phn=trained)
