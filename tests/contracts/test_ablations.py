"""Every ablation: applies, changes the stage that it names and the evaluation, and nothing before."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from dymu.artifacts.step import Step
from dymu.spec.ablation import BASELINE, Arm, Question

Entry = tuple[str, Question]
SEED = 0


def by_stage(arm: Arm) -> Mapping[str, set[str]]:
    """Stage to the addresses that an arm needs of it."""
    found: dict[str, set[str]] = defaultdict(set)
    for step in arm.study.evaluation_step(SEED).closure():
        found[step.stage].add(step.address)
    return found


def from_on(stage: str, arms: Iterable[Arm]) -> set[str]:
    """The stage and all stages that, in one of the arms, come after it."""
    return {
        step.stage
        for arm in arms
        for step in arm.study.evaluation_step(SEED).closure()
        if _needs(step, stage)
    }


def _needs(step: Step, stage: str) -> bool:
    return any(below.stage == stage for below in step.closure())


def test_its_question_is_a_question(question_entry: Entry) -> None:
    question = question_entry[1]
    assert question.title.endswith("?")
    assert question.source
    assert question.ablations


def test_every_row_applies(question_entry: Entry) -> None:
    arms = question_entry[1].arms()
    assert arms[0].name == BASELINE
    assert len(arms) == 1 + len(question_entry[1].ablations)


def test_every_row_changes_the_stage_that_it_names(question_entry: Entry) -> None:
    baseline, *rows = question_entry[1].arms()
    before = by_stage(baseline)
    for row in rows:
        assert by_stage(row).get(row.starts_at) != before.get(row.starts_at), (
            f"{row.name}: {row.starts_at} stays"
        )


def test_every_row_changes_the_evaluation(question_entry: Entry) -> None:
    evaluations = [arm.study.evaluation_step(SEED).address for arm in question_entry[1].arms()]
    assert len(set(evaluations)) == len(evaluations), "two rows are the same study"


def test_no_row_changes_anything_before(question_entry: Entry) -> None:
    baseline, *rows = question_entry[1].arms()
    before = by_stage(baseline)
    for row in rows:
        after = by_stage(row)
        moved = {stage for stage in before.keys() & after.keys() if before[stage] != after[stage]}
        early = moved - from_on(row.starts_at, (baseline, row))
        assert not early, f"{row.name} starts at {row.starts_at}, but {', '.join(sorted(early))} moved"


def test_every_claim_is_about_a_value_that_records_have(
    question_entry: Entry, glossary_values: frozenset[str]
) -> None:
    for arm in question_entry[1].arms():
        named = (
            {claim.metric for claim in arm.claims} | {claim.against for claim in arm.claims} | set(arm.paper)
        )
        tasks = [task.name for task in arm.study.dataset.tasks]
        known = {value.replace("<task>", task) for value in glossary_values for task in tasks}
        unknown = {name for name in named - {"baseline", "zero"} if name.partition("/c=")[0] not in known}
        assert not unknown, f"{arm.name}: {', '.join(sorted(unknown))} is not in docs/glossary.md"


def test_rows_of_a_paper_table_say_which(question_entry: Entry) -> None:
    for row in question_entry[1].ablations:
        assert bool(row.paper) <= bool(row.source), f"{row.name} has the paper's values but not their place"
