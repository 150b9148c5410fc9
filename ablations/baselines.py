"""Does the controller beat methods with a fixed architecture? Tables 1 to 4 and Figure 6; here on digits.

The paper's values beside the digits are NYU-v2's (Table 3).
"""

from collections.abc import Mapping

from ablations._paper import NYU, MainTable, Row
from dymu.spec.ablation import Ablation, Claim, Question
from dymu.spec.study import Study
from studies import digits


def baselines(ours: Study, others: Mapping[str, Study], paper: MainTable) -> Question:
    """The question about a study.

    Args:
        ours: The controller.
        others: Its counterparts with a fixed architecture, by the name of their arm: any of ``constant``,
            ``single-task``, ``static-grid``, ``phn``, ``phn-bn`` and ``phn-bn-frozen``.
        paper: The paper's values.
    """
    rows: tuple[tuple[str, str, str, str, Row], ...] = (
        ("constant", "The same answer for every image", "constant", "docs/protocol.md", {}),
        ("single-task", "Single-Task", "evaluate", paper.source, paper.single_task),
        ("static-grid", "Static MTL, one net per preference", "shared", "Figure 6", {}),
        ("phn", "PHN", "phn", paper.source, paper.phn),
        ("phn-bn", "PHN-BN, trained jointly", "phn_bn", paper.source, paper.phn_bn),
        ("phn-bn-frozen", "PHN-BN, frozen convolutions", "phn_bn", "docs/protocol.md", {}),
    )
    fixed = tuple(
        Ablation(
            name=name,
            label=label,
            starts_at=starts_at,
            changes={"method": others[name].method},
            source=source,
            paper=values,
        )
        for name, label, starts_at, source, values in rows
        if name in others
    )
    return Question(
        title="Does the controller beat methods with a fixed architecture?",
        source=paper.source,
        baseline=ours,
        baseline_paper=paper.ours,
        ablations=(
            Ablation(
                name="without-adaptation",
                label="Ours w/o adaptation",
                starts_at="evaluate",
                changes={"method.weight": None},
                source=paper.source,
                paper=paper.without_adaptation,
                claims=(
                    Claim(metric="hypervolume/c=0", direction="down", source=paper.source),
                    Claim(metric="hypervolume/c=1", direction="down", source=paper.source),
                    Claim(metric="uniformity/c=0", direction="up", source=paper.source),
                ),
            ),
            *fixed,
        ),
    )


QUESTION = baselines(
    digits.ours,
    {
        "single-task": digits.single_task,
        "static-grid": digits.static_grid,
        "phn": digits.phn,
        "phn-bn": digits.phn_bn,
        "phn-bn-frozen": digits.phn_bn_frozen,
    },
    NYU,
)
