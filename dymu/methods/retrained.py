"""One predicted architecture, trained by itself as a static multi-task net (Tables 5 and 7, "Ours")."""

from typing import Literal

from dymu.artifacts.config import config
from dymu.artifacts.step import Step
from dymu.spec.study import Study
from dymu.stages.affinity import AffinityConfig, affinity_step
from dymu.stages.anchor import AnchorRecipe, anchor_step
from dymu.stages.edge import EdgeConfig, edge_step
from dymu.stages.evaluate import static_tree_evaluation
from dymu.stages.path_losses import PathLossConfig, path_losses_step
from dymu.stages.retrain import RetrainConfig, retrain_step
from dymu.stages.tree import TreeConfig, tree_step


@config
class Retrained:
    """The tree that the edge hypernet predicts for the uniform task preference, trained by itself.

    Attributes:
        anchor: How the single-task nets are trained; equal to a controllable study's anchor, and so on, so
            that both share the steps up to the edge hypernet.
        affinity: How task affinity is measured.
        edge: How the edge hypernet is trained.
        path_losses: The table behind the tabulated edge objective; unused by the minibatch objective.
        resource_preference: c at which the tree is predicted.
        start: ``anchor`` begins with the anchor's weights, ``initial`` with what the anchor began with
            (the paper's ImageNet rows).
        recipe: How the tree is trained; ``None`` for the anchor's recipe.
    """

    anchor: AnchorRecipe
    affinity: AffinityConfig = AffinityConfig()
    edge: EdgeConfig = EdgeConfig()
    path_losses: PathLossConfig = PathLossConfig()
    resource_preference: float = 0.0
    start: Literal["anchor", "initial"] = "anchor"
    recipe: AnchorRecipe | None = None

    def evaluation(self, study: Study, seed: int) -> Step:
        """Anchor -> affinity -> edge -> tree -> retrain -> evaluate."""
        anchor = anchor_step(self.anchor, dataset=study.dataset, seed=seed)
        affinity = affinity_step(self.affinity, anchor=anchor)
        table = (
            path_losses_step(self.path_losses, anchor=anchor) if self.edge.objective == "tabulated" else None
        )
        edge = edge_step(self.edge, anchor=anchor, affinity=affinity, path_losses=table, seed=seed)
        tree = tree_step(TreeConfig(resource_preference=self.resource_preference), edge=edge)
        settings = RetrainConfig(dataset=study.dataset, recipe=self.recipe or self.anchor, start=self.start)
        start = anchor if self.start == "anchor" else None
        retrain = retrain_step(settings, tree=tree, anchor=start, seed=seed)
        return static_tree_evaluation(study.evaluation, retrain=retrain, anchor=anchor)
