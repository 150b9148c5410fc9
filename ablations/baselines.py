"""Does the controller beat methods with a fixed architecture? Tables 1 to 4 and Figure 6; here on digits.

The paper's values are NYU-v2's (Table 3).
"""

from ablations._paper import NYU_OURS, NYU_WITHOUT_ADAPTATION
from dymu.spec.ablation import Ablation, Claim, Question
from dymu.spec.study import Study
from studies import digits


def baselines(ours: Study, others: tuple[Study, Study, Study, Study]) -> Question:
    """The question about a study and its single-task, static-grid, PHN-BN and frozen PHN-BN counterparts."""
    single_task, static_grid, phn_bn, phn_bn_frozen = others
    return Question(
        title="Does the controller beat methods with a fixed architecture?",
        source="Table 3",
        baseline=ours,
        baseline_paper=NYU_OURS,
        ablations=(
            Ablation(
                name="without-adaptation",
                label="Ours w/o adaptation",
                starts_at="evaluate",
                changes={"method.weight": None},
                source="Table 3",
                paper=NYU_WITHOUT_ADAPTATION,
                claims=(
                    Claim(metric="hypervolume/c=0", direction="down", source="Table 3"),
                    Claim(metric="hypervolume/c=1", direction="down", source="Table 3"),
                    Claim(metric="uniformity/c=0", direction="up", source="Table 3"),
                ),
            ),
            Ablation(
                name="single-task",
                label="Single-Task",
                starts_at="evaluate",
                changes={"method": single_task.method},
                source="Table 3",
                paper={"hypervolume": 12.83, "active_parameters": 64.47e6},
            ),
            Ablation(
                name="static-grid",
                label="Static MTL, one net per preference",
                starts_at="shared",
                changes={"method": static_grid.method},
                source="Figure 6",
            ),
            Ablation(
                name="phn-bn",
                label="PHN-BN, trained jointly",
                starts_at="phn_bn",
                changes={"method": phn_bn.method},
                source="Table 3",
                paper={
                    "hypervolume": 11.72,
                    "uniformity": 0.73,
                    "active_parameters": 21.59e6,
                    "control_parameters": 2.23e6,
                },
            ),
            Ablation(
                name="phn-bn-frozen",
                label="PHN-BN, frozen convolutions",
                starts_at="phn_bn",
                changes={"method": phn_bn_frozen.method},
                source="docs/protocol.md",
            ),
        ),
    )


QUESTION = baselines(
    digits.ours, (digits.single_task, digits.static_grid, digits.phn_bn, digits.phn_bn_frozen)
)
