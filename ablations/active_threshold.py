"""How does the threshold between active and inactive tasks matter? Figure 8 and Appendix H."""

from dymu.spec.ablation import Ablation, Claim, Question
from studies.digits import ours

QUESTION = Question(
    title="How does the active threshold matter?",
    source="Figure 8",
    baseline=ours,
    baseline_label="Ours (threshold 0.2)",
    ablations=(
        Ablation(
            name="threshold-0.1",
            label="threshold 0.1",
            starts_at="edge",
            changes={"method.edge.active_threshold": 0.1},
            source="Figure 8",
            claims=(
                Claim(metric="hypervolume/c=0", direction="flat", tolerance=0.1, source="Figure 8"),
                Claim(
                    metric="active_parameters/c=1",
                    direction="down",
                    against="active_parameters/c=0",
                    source="Appendix H",
                ),
            ),
        ),
        Ablation(
            name="threshold-0.3",
            label="threshold 0.3",
            starts_at="edge",
            changes={"method.edge.active_threshold": 0.3},
            source="Figure 8",
            claims=(Claim(metric="hypervolume/c=0", direction="flat", tolerance=0.1, source="Figure 8"),),
        ),
        Ablation(
            name="threshold-0.5",
            label="threshold 0.5",
            starts_at="edge",
            changes={"method.edge.active_threshold": 0.5},
            source="Figure 8",
            claims=(
                Claim(
                    metric="active_parameters/c=1",
                    direction="flat",
                    against="active_parameters/c=0",
                    tolerance=0.03,
                    source="Appendix H: flat in c",
                ),
                Claim(
                    metric="active_parameters/c=0", direction="up", source="Appendix H: almost fully branched"
                ),
            ),
        ),
    ),
)
