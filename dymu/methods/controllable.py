"""The paper's method: anchor net, task affinity, edge hypernet, weight hypernet."""

from dymu.artifacts.config import config
from dymu.artifacts.step import Step
from dymu.spec.study import Study
from dymu.stages.affinity import AffinityConfig, affinity_step
from dymu.stages.anchor import AnchorRecipe, anchor_step
from dymu.stages.edge import EdgeConfig, edge_step
from dymu.stages.evaluate import controllable_evaluation
from dymu.stages.path_losses import PathLossConfig, path_losses_step
from dymu.stages.weight import WeightConfig, weight_step


@config
class Controllable:
    """Controllable dynamic multi-task architecture.

    Attributes:
        anchor: How the single-task nets are trained.
        affinity: How task affinity is measured.
        edge: How the edge hypernet is trained.
        path_losses: The table behind the tabulated edge objective; unused by the minibatch objective.
        weight: How the weight hypernet is trained; ``None`` leaves the anchor's weights as they are
            ("w/o adaptation").
    """

    anchor: AnchorRecipe
    affinity: AffinityConfig = AffinityConfig()
    edge: EdgeConfig = EdgeConfig()
    path_losses: PathLossConfig = PathLossConfig()
    weight: WeightConfig | None = WeightConfig()

    def evaluation(self, study: Study, seed: int) -> Step:
        """Anchor -> affinity -> edge -> weight -> evaluate."""
        anchor = anchor_step(self.anchor, dataset=study.dataset, seed=seed)
        affinity = affinity_step(self.affinity, anchor=anchor)
        table = (
            path_losses_step(self.path_losses, anchor=anchor) if self.edge.objective == "tabulated" else None
        )
        edge = edge_step(self.edge, anchor=anchor, affinity=affinity, path_losses=table, seed=seed)
        weight = (
            None if self.weight is None else weight_step(self.weight, anchor=anchor, edge=edge, seed=seed)
        )
        return controllable_evaluation(study.evaluation, anchor=anchor, edge=edge, weight=weight)
