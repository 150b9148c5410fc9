"""Which parts of the branching regulariser matter? Table 6 and Figures 9 to 12."""

from ablations._paper import NYU
from dymu.spec.ablation import Ablation, Claim, Question
from studies.digits import ours

CONTROL = (
    Claim(
        metric="active_parameters/c=1", direction="down", against="active_parameters/c=0", source="Figure 5"
    ),
    Claim(
        metric="skewed_active_parameters/c=0",
        direction="down",
        against="dense_active_parameters/c=0",
        source="Figure 5",
    ),
    Claim(metric="entropy_cost_correlation/c=0", direction="up", against="zero", source="Figure 5"),
    Claim(
        metric="preference_loss_correlation/<task>/c=0", direction="down", against="zero", source="Figure 7"
    ),
)

QUESTION = Question(
    title="Which parts of the branching regulariser matter?",
    source="Table 6",
    baseline=ours,
    baseline_paper=NYU.ours,
    baseline_claims=CONTROL,
    ablations=(
        Ablation(
            name="no-inactive-loss",
            label="no L_inactive",
            starts_at="edge",
            changes={"method.edge.inactive_weight": 0.0},
            source="Table 6, row 2",
            paper={
                "hypervolume/c=0": 12.81,
                "hypervolume/c=1": 12.73,
                "uniformity/c=0": 0.49,
                "uniformity/c=1": 0.51,
                "active_parameters/c=0": 61.75e6,
                "active_parameters/c=1": 54.78e6,
            },
            claims=(
                Claim(metric="active_parameters/c=0", direction="up", source="Table 6"),
                Claim(metric="uniformity/c=0", direction="down", source="Table 6"),
                Claim(metric="hypervolume/c=0", direction="down", source="Table 6"),
            ),
        ),
        Ablation(
            name="no-layer-weighting",
            label="no layer weighting",
            starts_at="edge",
            changes={"method.edge.reading.layer_weight": "none"},
            source="Table 6, row 3",
            paper={
                "hypervolume/c=0": 12.69,
                "hypervolume/c=1": 12.21,
                "uniformity/c=0": 0.51,
                "uniformity/c=1": 0.53,
                "active_parameters/c=0": 46.21e6,
                "active_parameters/c=1": 41.33e6,
            },
            claims=(
                Claim(metric="active_parameters/c=0", direction="up", source="Table 6"),
                Claim(metric="uniformity/c=0", direction="down", source="Table 6"),
                Claim(metric="hypervolume/c=0", direction="down", source="Table 6"),
            ),
        ),
        Ablation(
            name="no-affinity",
            label="no task affinity",
            starts_at="edge",
            changes={"method.edge.use_affinity": False},
            source="Table 6, row 4",
            paper={
                "hypervolume/c=0": 12.53,
                "hypervolume/c=1": 12.35,
                "uniformity/c=0": 0.51,
                "uniformity/c=1": 0.52,
                "active_parameters/c=0": 45.73e6,
                "active_parameters/c=1": 42.55e6,
            },
            claims=(
                Claim(metric="active_parameters/c=0", direction="up", source="Table 6"),
                Claim(metric="uniformity/c=0", direction="down", source="Table 6"),
                Claim(metric="hypervolume/c=0", direction="down", source="Table 6"),
            ),
        ),
        Ablation(
            name="no-dichotomy",
            label="no task dichotomy",
            starts_at="edge",
            changes={"method.edge.active_threshold": 0.0},
            source="Table 6, row 5",
            paper={
                "hypervolume/c=0": 12.57,
                "hypervolume/c=1": 11.20,
                "uniformity/c=0": 0.60,
                "uniformity/c=1": 0.63,
                "active_parameters/c=0": 56.73e6,
                "active_parameters/c=1": 45.17e6,
            },
            claims=(
                Claim(metric="active_parameters/c=0", direction="up", source="Table 6"),
                Claim(metric="uniformity/c=0", direction="down", source="Table 6"),
                Claim(metric="hypervolume/c=0", direction="down", source="Table 6"),
            ),
        ),
    ),
)
