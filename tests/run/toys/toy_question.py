"""A question about toys, with a row that fails."""

from toy_parts import ToyTraining  # type: ignore[import-not-found]
from toy_studies import ours  # type: ignore[import-not-found]

from dymu.spec.ablation import Ablation, Claim, Question

QUESTION = Question(
    title="Which part of a toy matters?",
    source="Table 6",
    baseline=ours,
    baseline_paper={"hypervolume/c=0": 13.43},
    ablations=(
        Ablation(
            name="double",
            label="double",
            starts_at="edge",
            changes={"method.edge.scale": 2.0},
            claims=(Claim(metric="active_parameters/c=0", direction="up"),),
        ),
        Ablation(
            name="broken",
            label="broken",
            starts_at="weight",
            changes={"method.weight": ToyTraining(fail_at=3)},
        ),
    ),
)
