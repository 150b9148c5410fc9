from typing import Any

import pytest

from dymu.artifacts.config import changed
from dymu.artifacts.fingerprint import canonical, digest
from dymu.errors import SpecError
from dymu.spec.ablation import BASELINE, Ablation, Claim, Question
from dymu.spec.study import Study, override


def row(name: str = "threshold", **fields: Any) -> Ablation:
    given = {
        "name": name,
        "label": "tau = 0.3",
        "starts_at": "edge",
        "changes": {"method.edge.active_threshold": 0.3},
        **fields,
    }
    return Ablation(**given)


def question(study: Study, *rows: Ablation) -> Question:
    return Question(
        title="Does it matter?",
        source="Table 6",
        baseline=study,
        baseline_paper={"hypervolume/c=0": 4.26},
        baseline_claims=(Claim(metric="active_parameters/c=1", direction="down"),),
        ablations=rows,
    )


def test_row_applies_its_changes_and_leaves_the_baseline(study: Study) -> None:
    before = digest(study)
    changes = {"method.edge.active_threshold": 0.3, "dataset.num_train": 7}
    assert row(changes=changes).apply(study) == override(
        override(study, "method.edge.active_threshold", 0.3), "dataset.num_train", 7
    )
    assert digest(study) == before


def test_changes_apply_in_their_order(study: Study) -> None:
    edge = override(study, "method.edge.steps", 7).method.edge
    applied = row(changes={"method.weight": edge, "method.weight.steps": 9}).apply(study)
    assert applied.method.weight.steps == 9  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "new", "message"),
    [
        ("method.edge.active_treshold", 0.3, "EdgeConfig has no field 'active_treshold'"),
        ("method.edge.active_threshold", "0.3", r"EdgeConfig\.active_threshold is '0\.3'"),
        (
            "method.edge.active_threshold",
            0.2,
            r"EdgeConfig\.active_threshold already equals 0\.2",
        ),
    ],
)
def test_row_that_is_a_mistake_is_refused_by_name(study: Study, path: str, new: object, message: str) -> None:
    with pytest.raises(SpecError, match=f"ablation 'threshold', change '{path}': {message}"):
        row(changes={path: new}).apply(study)


def test_row_without_changes_is_refused() -> None:
    with pytest.raises(SpecError, match=r"Ablation\.changes is \{\}; expected at least one change"):
        row(changes={})


def test_unknown_direction_is_refused() -> None:
    with pytest.raises(SpecError, match=r"Claim\.direction is 'better'"):
        Claim(metric="uniformity", direction="better")  # type: ignore[arg-type]


@pytest.mark.parametrize("names", [("a", "a"), (BASELINE,), ("a", "b", "a")])
def test_rows_of_one_name_are_refused(study: Study, names: tuple[str, ...]) -> None:
    with pytest.raises(SpecError, match=rf"rows with different names, but {names[0]} repeats"):
        question(study, *(row(name) for name in names))


def test_arms_are_the_baseline_and_then_the_rows(study: Study) -> None:
    claim = Claim(metric="uniformity/c=0", direction="flat")
    asked = question(
        study, row("a", paper={"hypervolume/c=0": 4.1}, claims=(claim,), source="row 2"), row("b")
    )
    baseline, first, second = asked.arms()
    assert [arm.name for arm in asked.arms()] == [BASELINE, "a", "b"]
    assert (baseline.study, baseline.label, baseline.source) == (study, "Ours", "Table 6")
    assert baseline.paper == {"hypervolume/c=0": 4.26}
    assert baseline.claims == asked.baseline_claims
    assert (baseline.changes, baseline.starts_at) == ({}, "")
    assert first.study == row().apply(study)
    assert first.paper == {"hypervolume/c=0": 4.1}
    assert first.claims == (claim,)
    assert (first.changes, first.starts_at, first.source) == (row().changes, "edge", "row 2")
    assert second.study == first.study


def test_arm_starts_to_differ_at_its_stage(study: Study) -> None:
    baseline, first = question(study, row()).arms()
    addresses = [
        {step.stage: step.address for step in arm.study.evaluation_step(0).closure()}
        for arm in (baseline, first)
    ]
    differing = [stage for stage in addresses[0] if addresses[0][stage] != addresses[1][stage]]
    assert differing == ["edge", "evaluate"]


def test_mistaken_row_is_found_when_arms_are_made(study: Study) -> None:
    with pytest.raises(SpecError, match="ablation 'a', change"):
        question(study, row("a", changes={"method.edge.step": 1})).arms()


def test_question_can_be_asked_of_another_study(study: Study) -> None:
    asked = question(study, row("a"))
    other = override(study, "dataset.num_train", 7)
    moved = asked.on(other)
    assert moved.baseline == other
    assert moved.arms()[1].study == row("a").apply(other)
    differing = {name for name in canonical(asked) if canonical(asked)[name] != canonical(moved)[name]}
    assert differing == {"baseline"}


def test_a_claim_about_each_task_becomes_one_claim_a_task(study: Study) -> None:
    general = Claim(metric="loss/<task>/c=0", direction="down", against="zero")
    asked = Question(title="Does it matter?", source="Table 6", baseline=study, baseline_claims=(general,))
    metrics = [claim.metric for claim in asked.arms()[0].claims]
    assert metrics == [f"loss/{task.name}/c=0" for task in study.dataset.tasks]


def test_a_claim_without_a_task_stays_one_claim(study: Study) -> None:
    claim = Claim(metric="uniformity/c=0", direction="up")
    assert claim.of_tasks(study.dataset.tasks) == (claim,)


def test_every_arm_is_evaluated_as_the_question_needs_it(study: Study) -> None:
    asked = changed(question(study, row()), {"evaluation": {"pair_preferences": 5}})
    assert asked.baseline == study
    assert [arm.study.evaluation.pair_preferences for arm in asked.arms()] == [5, 5]
    assert asked.arms()[0].study.method == study.method


def test_it_is_needed_on_another_study_too_and_on_one_that_has_it(study: Study) -> None:
    asked = changed(question(study, row()), {"evaluation": {"pair_preferences": 5}})
    other = override(study, "evaluation.pair_preferences", 9)
    assert [arm.study.evaluation.pair_preferences for arm in asked.on(other).arms()] == [5, 5]
    same = override(study, "evaluation.pair_preferences", 5)
    assert asked.on(same).arms()[0].study == same


def test_a_question_that_was_put_may_be_changed(study: Study) -> None:
    asked = changed(question(study), {"evaluation": {"pair_preferences": 5}}).as_asked()
    moved = asked.on(override(asked.baseline, "evaluation.pair_preferences", 9))
    assert moved.arms()[0].study.evaluation.pair_preferences == 9
