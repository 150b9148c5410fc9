"""A question whose arms are searched; one of them changes what could be searched."""

from toy_search import _ours  # type: ignore[import-not-found]

from dymu.spec.ablation import Ablation, Question

QUESTION = Question(
    title="Which part of a toy matters?",
    source="Table 6",
    baseline=_ours,
    baseline_paper={"hypervolume/c=0": 13.43},
    ablations=(
        Ablation(name="double", label="double", starts_at="edge", changes={"method.edge.scale": 2.0}),
    ),
)
