"""Static multi-task nets, each trained for one evaluation preference (Figure 6)."""

from dymu.artifacts.config import absent_means, check, config
from dymu.artifacts.step import Step
from dymu.errors import SpecError
from dymu.networks.backbones.protocol import Backbone
from dymu.spec.study import Study
from dymu.stages.evaluate import static_grid_evaluation
from dymu.stages.evaluation_preferences import evaluation_preferences
from dymu.stages.optimisation import Optimisation
from dymu.stages.shared import SharedConfig, shared_step


@config
class StaticGrid:
    """Shared-backbone nets, each trained by linear scalarisation for one evaluation preference.

    Attributes:
        backbone: Architecture of the one stream.
        optimisation: Of each net.
        batch_size: Images a step.
        num_preferences: Nets, for the first so many evaluation preferences; ``None`` for one net per
            evaluation preference (20 by default). Further nets leave those that are trained as they are.
    """

    backbone: Backbone
    optimisation: Optimisation
    batch_size: int = 32
    num_preferences: int | None = absent_means(None)

    def __post_init__(self) -> None:
        fits = self.num_preferences is None or self.num_preferences >= 1
        check(fits, self, "num_preferences", "None or at least 1")

    def evaluation(self, study: Study, seed: int) -> Step:
        """One shared step per preference -> evaluate.

        Raises:
            SpecError: If more nets are asked for than there are evaluation preferences.
        """
        preferences = evaluation_preferences(study.evaluation, num_tasks=len(study.dataset.tasks))
        if self.num_preferences is not None and self.num_preferences > len(preferences):
            raise SpecError(
                f"StaticGrid.num_preferences is {self.num_preferences}, but the study is judged at "
                f"{len(preferences)} preferences and each net is trained for one of them; set "
                f"evaluation.num_preferences to at least {self.num_preferences}."
            )
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
            for row in preferences[: self.num_preferences].tolist()
        ]
        return static_grid_evaluation(study.evaluation, nets=nets)
