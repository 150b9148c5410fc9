"""Does the distribution of training preferences matter? Table 8 (PASCAL-Context, 3 tasks)."""

from dymu.spec.ablation import Ablation, Claim, Question
from studies.digits import ours

PAPER = {0.1: (4.20, 4.18), 0.5: (4.26, 4.25), 1.0: (4.26, 4.21)}  # concentration: hypervolume at c = 0 and 1

QUESTION = Question(
    title="Does the concentration of training preferences matter?",
    source="Table 8",
    baseline=ours,
    baseline_label="Ours (concentration 0.2)",
    baseline_paper={"hypervolume/c=0": 4.26, "hypervolume/c=1": 4.25},
    ablations=tuple(
        Ablation(
            name=f"concentration-{concentration:g}",
            label=f"concentration {concentration:g}",
            starts_at="edge",
            changes={
                "method.edge.concentration": concentration,
                "method.weight.concentration": concentration,
            },
            source="Table 8",
            paper={"hypervolume/c=0": at_0, "hypervolume/c=1": at_1},
            claims=(Claim(metric="hypervolume/c=0", direction="flat", tolerance=0.05, source="Table 8"),),
        )
        for concentration, (at_0, at_1) in PAPER.items()
    ),
)
