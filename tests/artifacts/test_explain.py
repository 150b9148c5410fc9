import json
from typing import Any

import pytest

from dymu.artifacts.config import config
from dymu.artifacts.explain import Difference, explain, explain_steps, stored_form
from dymu.artifacts.step import Step
from dymu.artifacts.store import STEP, Store
from dymu.errors import CorruptArtifactError, StoreError


@config
class AnchorConfig:
    steps: int = 100
    widths: tuple[int, ...] = (8, 16)


@config
class EdgeConfig:
    active_threshold: float = 0.2


def run(_step: Step, _context: Any) -> None:
    """Does nothing."""


def chain(*, anchor: AnchorConfig, edge: EdgeConfig, seed: int = 0, revision: int = 1) -> Step:
    """anchor <- edge <- weight <- evaluate, where evaluate also reads edge and anchor."""
    first = Step(stage="anchor", revision=1, config=anchor, run=run, seed=seed)
    second = Step(stage="edge", revision=revision, config=edge, run=run, seed=seed, inputs={"anchor": first})
    third = Step(stage="weight", revision=1, config=None, run=run, inputs={"edge": second, "anchor": first})
    inputs = {"anchor": first, "edge": second, "weight": third}
    return Step(stage="evaluate", revision=1, config=None, run=run, inputs=inputs)


BASE = chain(anchor=AnchorConfig(), edge=EdgeConfig())


def told(differences: list[Difference]) -> list[str]:
    return [difference.text for difference in differences]


def test_equal_steps_do_not_differ() -> None:
    assert explain_steps(BASE, chain(anchor=AnchorConfig(), edge=EdgeConfig())) == []


def test_changed_field_of_an_input_is_told_once_at_the_shorter_path() -> None:
    other = chain(anchor=AnchorConfig(), edge=EdgeConfig(active_threshold=0.3))
    differences = explain_steps(BASE, other)
    assert told(differences) == ["inputs.edge.config.active_threshold: 0.2 -> 0.3"]
    assert differences[0].addresses == (BASE.inputs["edge"].address, other.inputs["edge"].address)


def test_differences_at_all_depths_are_told() -> None:
    other = chain(anchor=AnchorConfig(steps=50, widths=(8, 32)), edge=EdgeConfig(), revision=2)
    assert told(explain_steps(BASE, other)) == [
        "inputs.anchor.config.steps: 100 -> 50",
        "inputs.anchor.config.widths[1]: 16 -> 32",
        "inputs.edge.revision: 1 -> 2",
    ]


def test_seed_is_told_for_each_step_that_has_it() -> None:
    other = chain(anchor=AnchorConfig(), edge=EdgeConfig(), seed=1)
    assert told(explain_steps(BASE, other)) == ["inputs.anchor.seed: 0 -> 1", "inputs.edge.seed: 0 -> 1"]


def test_input_that_one_side_lacks_is_told_by_address() -> None:
    left = Step(stage="evaluate", revision=1, config=None, run=run, inputs={"edge": BASE.inputs["edge"]})
    right = Step(stage="evaluate", revision=1, config=None, run=run)
    assert told(explain_steps(left, right)) == [f'inputs.edge: "{BASE.inputs["edge"].address}" -> null']


def test_config_of_another_class_is_told() -> None:
    left = Step(stage="edge", revision=1, config=EdgeConfig(), run=run)
    right = Step(stage="edge", revision=1, config=AnchorConfig(), run=run)
    paths = [difference.path for difference in explain_steps(left, right)]
    assert paths == ["config.active_threshold", "config.steps", "config.type", "config.widths"]


def test_published_steps_are_read_from_the_store(store: Store, publish: Any) -> None:
    other = chain(anchor=AnchorConfig(), edge=EdgeConfig(active_threshold=0.3))
    for step in {*BASE.closure(), *other.closure()}:
        publish(step.address, {STEP: json.dumps(step.form)})
    assert explain(store, BASE.address, other.address) == explain_steps(BASE, other)


def test_planned_steps_are_compared_with_published_ones(store: Store, publish: Any) -> None:
    for step in BASE.closure():
        publish(step.address, {STEP: json.dumps(step.form)})
    other = chain(anchor=AnchorConfig(), edge=EdgeConfig(active_threshold=0.3))
    planned = {step.address: step.form for step in other.closure()}
    assert explain(store, BASE.address, other.address, planned=planned) == explain_steps(BASE, other)


def test_started_step_is_read_from_its_work(store: Store) -> None:
    step = BASE.inputs["anchor"]
    (store.work_dir(step.address) / STEP).write_text(json.dumps(step.form))
    assert stored_form(store, step.address) == step.form


def test_input_without_a_form_is_told_by_address() -> None:
    other = chain(anchor=AnchorConfig(steps=50), edge=EdgeConfig())
    forms = {step.address: step.form for step in (BASE, other)}
    differences = explain(forms, BASE.address, other.address)
    assert [difference.path for difference in differences] == [
        "inputs.anchor",
        "inputs.edge",
        "inputs.weight",
    ]
    assert differences[0].left == BASE.inputs["anchor"].address


@pytest.mark.parametrize("known", [0, 1])
def test_unknown_address_is_refused(store: Store, publish: Any, known: int) -> None:
    publish(BASE.address, {STEP: json.dumps(BASE.form)})
    pair = [BASE.address, "edge/0000"] if known == 0 else ["edge/0000", BASE.address]
    with pytest.raises(StoreError, match="nothing is known of edge/0000"):
        explain(store, *pair)


def test_artifact_without_step_file_says_nothing(store: Store, publish: Any) -> None:
    publish("edge/00", {"net": "n"})
    assert stored_form(store, "edge/00") is None
    assert stored_form(store, "edge/01") is None


@pytest.mark.parametrize("text", ["{", "[]", "{}", "3"])
def test_unreadable_step_file_is_corrupt(store: Store, publish: Any, text: str) -> None:
    publish("edge/00", {STEP: text})
    with pytest.raises(CorruptArtifactError, match=r"step\.json of edge/00 .*Run `dymu cache verify`"):
        stored_form(store, "edge/00")
    work = store.work_dir("edge/01")
    (work / STEP).write_text(text)
    with pytest.raises(CorruptArtifactError, match=rf"edge/01 .*Remove {work} to start that step anew"):
        stored_form(store, "edge/01")
