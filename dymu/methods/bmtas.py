"""BMTAS, a search over static branchings with an expected cost (Tables 5 and 7)."""

from dymu.artifacts.config import config
from dymu.artifacts.step import Step
from dymu.spec.study import Study
from dymu.stages.anchor import AnchorRecipe, anchor_step
from dymu.stages.bmtas import BMTASConfig, BMTASRecipe, bmtas_step
from dymu.stages.evaluate import static_tree_evaluation
from dymu.stages.retrain import RetrainConfig, retrain_step


@config
class BMTAS:
    """Branched multi-task architecture search, for at most five tasks.

    Attributes:
        anchor: The single-task nets: backbone and start of the search; Delta_T compares with them.
        search: How the tree is searched.
        recipe: How the tree is trained anew; ``None`` for the anchor's recipe.
    """

    anchor: AnchorRecipe
    search: BMTASRecipe
    recipe: AnchorRecipe | None = None

    def evaluation(self, study: Study, seed: int) -> Step:
        """Bmtas -> retrain -> evaluate; the anchor beside it.

        Raises:
            SpecError: If there are more than five tasks.
        """
        search = bmtas_step(
            BMTASConfig(dataset=study.dataset, anchor=self.anchor, recipe=self.search), seed=seed
        )
        settings = RetrainConfig(dataset=study.dataset, recipe=self.recipe or self.anchor, start="initial")
        retrain = retrain_step(settings, tree=search, anchor=None, seed=seed)
        anchor = anchor_step(self.anchor, dataset=study.dataset, seed=seed)
        return static_tree_evaluation(study.evaluation, retrain=retrain, anchor=anchor)
