"""Ablations as data: what changes, where it starts to matter, what the paper printed, what is claimed."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from dymu.artifacts.config import changed, check, config
from dymu.errors import SpecError
from dymu.spec.study import Study, override
from dymu.spec.task import Task

Direction = Literal["up", "down", "flat"]

TASK_PLACEHOLDER = "<task>"


@config
class Claim:
    """A statement about a record or about an arm beside its baseline.

    Attributes:
        metric: Name of a record value, for instance ``uniformity/c=0``. ``<task>`` in the name makes one
            claim for each task of the study.
        direction: Which way the metric moves from ``against`` to this arm.
        against: ``baseline`` compares with the baseline arm at the same seed, ``zero`` with the number 0; any
            other text names another record value of the same arm, for instance ``active_parameters/c=0``.
        tolerance: For ``flat``: largest relative difference that still counts as flat.
        source: Where the paper (or the project) says so.
    """

    metric: str
    direction: Direction
    against: str = "baseline"
    tolerance: float = 0.05
    source: str = ""

    def of_tasks(self, tasks: tuple[Task, ...]) -> "tuple[Claim, ...]":
        """This claim, once for each task if it speaks of ``<task>``."""
        if TASK_PLACEHOLDER not in self.metric:
            return (self,)
        return tuple(
            changed(self, {"metric": self.metric.replace(TASK_PLACEHOLDER, task.name)}) for task in tasks
        )


@config
class Ablation:
    """One row: the baseline with some fields changed.

    Attributes:
        name: Stable identifier, unique in its question.
        label: As printed in tables.
        starts_at: First stage whose address changes; nothing before it may change.
        changes: Dotted path to new value, applied in order by :func:`~dymu.spec.study.override`.
        source: Where the paper prints the row, for instance ``Table 6, row 2``.
        paper: The paper's values by record value name; empty where the paper has none.
        claims: What the row is expected to show.
    """

    name: str
    label: str
    starts_at: str
    changes: Mapping[str, Any]
    source: str = ""
    paper: Mapping[str, float] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()

    def __post_init__(self) -> None:
        check(len(self.changes) > 0, self, "changes", "at least one change")

    def apply(self, baseline: Study) -> Study:
        """The study of this row.

        Raises:
            SpecError: If a change is a typo, has the wrong type, or changes nothing; names the ablation.
        """
        study = baseline
        for path, value in self.changes.items():
            try:
                study = override(study, path, value)
            except SpecError as error:
                raise SpecError(f"ablation {self.name!r}, change {path!r}: {error}") from None
        return study


@config
class Question:
    """One file of ``ablations/``: a question, a baseline and its rows.

    Attributes:
        title: The question, one sentence.
        source: The paper's table or figure.
        baseline: Study that every row changes.
        baseline_label: As printed in tables.
        baseline_paper: The paper's values for the baseline.
        baseline_claims: What the baseline alone is expected to show.
        ablations: The rows.
        evaluation: Fields of the evaluation that the question needs, in all arms, on whatever study it is
            asked. What was trained for the study is the same with and without them.
    """

    title: str
    source: str
    baseline: Study
    baseline_label: str = "Ours"
    baseline_paper: Mapping[str, float] = field(default_factory=dict)
    baseline_claims: tuple[Claim, ...] = ()
    ablations: tuple[Ablation, ...] = ()
    evaluation: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [BASELINE, *(row.name for row in self.ablations)]
        doubled = sorted({name for name in names if names.count(name) > 1})
        check(not doubled, self, "ablations", f"rows with different names, but {', '.join(doubled)} repeats")

    def on(self, baseline: Study) -> "Question":
        """The same question about another study; the paper's values stay, they are what is printed beside."""
        return Question(
            title=self.title,
            source=self.source,
            baseline=baseline,
            baseline_label=self.baseline_label,
            baseline_paper=self.baseline_paper,
            baseline_claims=self.baseline_claims,
            ablations=self.ablations,
            evaluation=self.evaluation,
        )

    def as_asked(self) -> "Question":
        """The same question with the baseline evaluated as the question needs it."""
        if not self.evaluation:
            return self
        evaluation = changed(self.baseline.evaluation, self.evaluation)
        return changed(
            self, {"baseline": changed(self.baseline, {"evaluation": evaluation}), "evaluation": {}}
        )

    def arms(self) -> "tuple[Arm, ...]":
        """The baseline and every row as arms, baseline first."""
        baseline = self.as_asked().baseline
        first = Arm(
            name=BASELINE,
            label=self.baseline_label,
            study=baseline,
            paper=self.baseline_paper,
            claims=self._claims(self.baseline_claims),
            source=self.source,
        )
        rows = (
            Arm(
                name=row.name,
                label=row.label,
                study=row.apply(baseline),
                paper=row.paper,
                claims=self._claims(row.claims),
                source=row.source,
                changes=row.changes,
                starts_at=row.starts_at,
            )
            for row in self.ablations
        )
        return (first, *rows)

    def _claims(self, claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        tasks = self.baseline.dataset.tasks
        return tuple(claim for general in claims for claim in general.of_tasks(tasks))


BASELINE = "baseline"


@config
class Arm:
    """A row of a table before it has results: a study and what is said about it.

    Attributes:
        name: Stable identifier; the baseline's is ``baseline``.
        label: As printed.
        study: What is run.
        paper: The paper's values by record value name.
        claims: What is expected of it against the baseline.
        source: Where the paper prints the row.
        changes: Against the baseline, by dotted path.
        starts_at: First stage that may differ from the baseline's; empty for the baseline.
        ad_hoc: Overrides of the command line; such an arm enters no table.
    """

    name: str
    label: str
    study: Study
    paper: Mapping[str, float] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    source: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    starts_at: str = ""
    ad_hoc: Mapping[str, Any] = field(default_factory=dict)
