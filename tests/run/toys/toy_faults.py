"""A question with a row that raises and a row whose process is killed."""

from toy_parts import ToyTraining  # type: ignore[import-not-found]
from toy_studies import ours  # type: ignore[import-not-found]

from dymu.spec.ablation import Ablation, Question

QUESTION = Question(
    title="What does a fault take with it?",
    source="",
    baseline=ours,
    ablations=(
        Ablation(
            name="raises",
            label="raises",
            starts_at="weight",
            changes={"method.weight": ToyTraining(fail_at=3)},
        ),
        Ablation(
            name="killed",
            label="killed",
            starts_at="edge",
            changes={"method.edge": ToyTraining(kill_itself=True)},
        ),
    ),
)
