"""Are the predicted architectures good static ones? Tables 5 and 7; here on digits.

Every architecture is trained by itself with the single-task nets' recipe and compared with those by Delta_T.
The values printed beside are PASCAL-Context's with three tasks (Table 5).
"""

from collections.abc import Mapping
from typing import Any

from ablations._architectures import TABLE_5, Row
from dymu.spec.ablation import BASELINE, Ablation, Claim, Direction, Question
from dymu.spec.study import Study
from studies import digits

# Relative difference from which the paper's values say which is larger.
NEGLIGIBLE = 0.01

# Name, label, first stage that is another one.
_STATIC = (
    ("single-task", "Single-Task", "evaluate"),
    ("ltb", "LTB", "ltb"),
    ("bmtas", "BMTAS", "bmtas"),
)
_OURS: tuple[tuple[str, str, str, Mapping[str, Any]], ...] = (
    ("initial", "Ours, c=0, initial weights", "retrain", {"method.start": "initial"}),
    ("frugal", "Ours, c=1", "tree", {"method.resource_preference": 1.0}),
    (
        "frugal-initial",
        "Ours, c=1, initial weights",
        "tree",
        {"method.resource_preference": 1.0, "method.start": "initial"},
    ),
)


def architectures(
    ours: Study, others: tuple[Study, Study, Study], *, table: Mapping[str, Row], source: str
) -> Question:
    """The question about a retrained study (c=0, anchor's weights) and its single-task, LTB and BMTAS rows.

    Args:
        ours: Study of the method ``Retrained``.
        others: Single-task nets, LTB, BMTAS.
        table: The paper's values by row; those of tasks that the study has not are left out.
        source: The paper's table.
    """
    tasks = {task.name for task in ours.dataset.tasks}
    paper = {name: _known(row, tasks) for name, row in table.items()}
    changes = [({"method": other.method}, row) for other, row in zip(others, _STATIC, strict=True)]
    rows = [(name, label, stage, change) for change, (name, label, stage) in changes] + list(_OURS)
    return Question(
        title="Are the predicted architectures good static ones?",
        source=source,
        baseline=ours,
        baseline_label="Ours, c=0",
        baseline_paper=paper[BASELINE],
        ablations=tuple(
            Ablation(
                name=name,
                label=label,
                starts_at=stage,
                changes=change,
                source=source,
                paper=paper[name],
                claims=_claims(paper[name], paper[BASELINE], source),
            )
            for name, label, stage, change in rows
        ),
    )


def _known(row: Row, tasks: set[str]) -> Row:
    return {name: value for name, value in row.items() if name[:5] != "task/" or name.split("/")[1] in tasks}


def _claims(row: Row, baseline: Row, source: str) -> tuple[Claim, ...]:
    """Delta_T and size move from ours to the row as printed, unless the paper's values hardly differ."""
    claims = []
    for metric in ("relative_drop", "active_parameters"):
        known = metric in row and metric in baseline
        if known and abs(row[metric] - baseline[metric]) > NEGLIGIBLE * abs(baseline[metric]):
            direction: Direction = "up" if row[metric] > baseline[metric] else "down"
            claims.append(Claim(metric=metric, direction=direction, source=source))
    return tuple(claims)


QUESTION = architectures(
    digits.retrained, (digits.single_task, digits.ltb, digits.bmtas), table=TABLE_5, source="Table 5"
)
