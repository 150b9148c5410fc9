"""Static multi-task nets, one per evaluation preference (Figure 6)."""

from dymu.artifacts.config import config
from dymu.artifacts.step import Step
from dymu.networks.backbones.protocol import Backbone
from dymu.spec.study import Study
from dymu.stages.evaluate import static_grid_evaluation
from dymu.stages.evaluation_preferences import evaluation_preferences
from dymu.stages.optimisation import Optimisation
from dymu.stages.shared import SharedConfig, shared_step


@config
class StaticGrid:
    """As many shared-backbone nets as there are evaluation preferences, each trained for one of them.

    Attributes:
        backbone: Architecture of the one stream.
        optimisation: Of each net.
        batch_size: Images a step.
    """

    backbone: Backbone
    optimisation: Optimisation
    batch_size: int = 32

    def evaluation(self, study: Study, seed: int) -> Step:
        """One shared step per preference -> evaluate."""
        preferences = evaluation_preferences(study.evaluation, num_tasks=len(study.dataset.tasks))
        nets = [
            shared_step(
                SharedConfig(
                    dataset=study.dataset,
                    backbone=self.backbone,
                    optimisation=self.optimisation,
                    batch_size=self.batch_size,
                    preference=tuple(float(value) for value in row),
                ),
                seed=seed,
            )
            for row in preferences.tolist()
        ]
        return static_grid_evaluation(study.evaluation, nets=nets)
