"""A question about toys, with a row that fails."""

from toy_parts import ToyTraining
from toy_studies import ours

from dymu.spec.ablation import Ablation, Question

QUESTION = Question(
    title="Which part of a toy matters?",
    source="Table 0",
    baseline=ours,
    ablations=(
        Ablation(name="double", label="double", starts_at="edge", changes={"method.edge.scale": 2.0}),
        Ablation(
            name="broken",
            label="broken",
            starts_at="weight",
            changes={"method.weight": ToyTraining(fail_at=3)},
        ),
    ),
)
