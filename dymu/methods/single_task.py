"""One network per task: the anchor net itself, judged as it is (Tables 1 to 4, first row)."""

from dymu.artifacts.config import config
from dymu.artifacts.step import Step
from dymu.spec.study import Study
from dymu.stages.anchor import AnchorRecipe, anchor_step
from dymu.stages.evaluate import single_task_evaluation


@config
class SingleTask:
    """N single-task nets.

    Attributes:
        anchor: How they are trained; equal to a controllable study's anchor, so that both share the step.
    """

    anchor: AnchorRecipe

    def evaluation(self, study: Study, seed: int) -> Step:
        """Anchor -> evaluate."""
        return single_task_evaluation(
            study.evaluation, anchor=anchor_step(self.anchor, dataset=study.dataset, seed=seed)
        )
