"""The same answer for every image: the floor that every method has to beat."""

from dymu.artifacts.config import config
from dymu.artifacts.step import Step
from dymu.spec.study import Study
from dymu.stages.constant import constant_step
from dymu.stages.evaluate import constant_evaluation


@config
class Constant:
    """Most frequent class, mean normal, mean depth: found in the training split."""

    def evaluation(self, study: Study, seed: int) -> Step:
        """Constant -> evaluate."""
        constant = constant_step(study.dataset, seed=seed)
        return constant_evaluation(study.evaluation, constant=constant)
