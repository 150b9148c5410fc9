"""What does cross-task adaptation bring, and how much of it is normalisation statistics? Tables 1 to 4.

The paper's values are NYU-v2's (Table 3). It compares with and without the weight hypernet; the rows with
other statistics tell whether the gap is due to the hypernet or to statistics of streams that never met.
"""

from ablations._paper import NYU
from dymu.spec.ablation import Ablation, Claim, Question
from studies.digits import ours

QUESTION = Question(
    title="What does cross-task adaptation bring?",
    source="Table 3",
    baseline=ours,
    baseline_paper=NYU.ours,
    ablations=(
        Ablation(
            name="without-adaptation",
            label="w/o adaptation",
            starts_at="evaluate",
            changes={"method.weight": None},
            source="Table 3",
            paper=NYU.without_adaptation,
            claims=(
                Claim(metric="hypervolume/c=0", direction="down", source="Table 3"),
                Claim(metric="hypervolume/c=1", direction="down", source="Table 3"),
                Claim(metric="uniformity/c=0", direction="up", source="Table 3"),
            ),
        ),
        Ablation(
            name="recalibrated",
            label="w/o adaptation, statistics recalibrated",
            starts_at="evaluate",
            changes={"method.weight": None, "evaluation.statistics": "recalibrated"},
            claims=(Claim(metric="hypervolume/c=0", direction="down", source="docs/protocol.md, no. 14"),),
        ),
        Ablation(
            name="running-statistics",
            label="w/o adaptation, the anchor's running statistics",
            starts_at="evaluate",
            changes={"method.weight": None, "evaluation.statistics": "running"},
            claims=(Claim(metric="hypervolume/c=0", direction="down", source="docs/protocol.md, no. 14"),),
        ),
    ),
)
