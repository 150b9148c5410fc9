import io
import json
from collections.abc import Callable
from typing import Any

from rich.console import Console

from dymu.artifacts.store import Store
from dymu.run.estimate import estimate
from dymu.run.execute import execute_step
from dymu.run.place import Place
from dymu.run.plan import Plan
from dymu.run.status import StageStatus, study_status
from dymu.run.views import plan_form, plan_summary, plan_table, status_tables

Planner = Callable[..., Plan]


def text(renderable: Any) -> str:
    stream = io.StringIO()
    Console(file=stream, width=160).print(renderable)
    return stream.getvalue()


def test_a_plan_shows_every_step_with_state_and_users(planner: Planner, store: Store, place: Place) -> None:
    plan = planner("toy_question")
    execute_step(plan.steps[0], store, place, lambda: False)
    plan = planner("toy_question")
    shown = text(plan_table(plan, estimate(plan.missing, store)))
    for step in plan.steps:
        assert step.address in shown
    assert "3 arms; seed 0" in shown
    assert "baseline, broken; seed 0" in shown
    assert "no estimate yet" in shown


def test_a_summary_counts(planner: Planner, store: Store) -> None:
    plan = planner("toy_question")
    assert plan_summary(plan, estimate(plan.missing, store)) == (
        "10 steps: 0 cached, 3 shared by several arms, 7 for one arm; 10 to run in 5 chains, no estimate yet."
    )


def test_a_cached_plan_says_so(planner: Planner, store: Store, place: Place) -> None:
    for step in planner("toy_studies:ours").steps:
        execute_step(step, store, place, lambda: False)
    plan = planner("toy_studies:ours")
    assert plan_summary(plan, estimate(plan.missing, store)) == "5 steps, all cached: nothing to run."


def test_a_plan_as_json_is_complete(planner: Planner, store: Store) -> None:
    plan = planner("toy_question")
    form = json.loads(json.dumps(plan_form(plan, estimate(plan.missing, store))))
    assert form["to_run"] == 10
    assert [step["address"] for step in form["steps"]] == [step.address for step in plan.steps]
    assert len({step["chain"] for step in form["steps"]}) == 5
    assert form["targets"][0]["arms"] == ["baseline", "double", "broken"]


def test_status_is_a_row_per_arm_and_seed(planner: Planner, store: Store) -> None:
    plan = planner("toy_question", seeds=(0, 1))
    (table,) = status_tables(study_status(store, [plan.manifest(plan.targets[0])]), width=160)
    shown = text(table)
    assert shown.splitlines()[0].strip() == "toy_studies-ours.toy_question"
    assert len(shown.strip().splitlines()) == 2 + 6
    assert shown.splitlines()[1].split() == [
        "arm",
        "seed",
        "anchor",
        "affinity",
        "edge",
        "weight",
        "evaluate",
    ]


def stage_status(manifest: str, stage: str, state: str = "done") -> StageStatus:
    return StageStatus(
        manifest=manifest,
        arm="baseline",
        seed=0,
        stage=stage,
        address=f"{stage}/0",
        state=state,
        step=3 if state == "running" else 0,
        total=9 if state == "running" else 0,
    )


def test_a_study_with_a_stage_of_its_own_adds_no_column_to_the_others() -> None:
    states = [stage_status("a", "edge"), stage_status("b", "path_losses"), stage_status("b", "edge")]
    first, second = status_tables(states, width=160)
    assert [column.header for column in first.columns] == ["arm", "seed", "edge"]
    assert [column.header for column in second.columns] == ["arm", "seed", "path_losses", "edge"]


def test_stages_that_do_not_fit_beside_each_other_are_counted() -> None:
    parts = [stage_status("grid", f"shared#{number}") for number in range(15)]
    states = [
        *parts,
        stage_status("grid", "evaluate#0", "running"),
        stage_status("grid", "evaluate", "waiting"),
    ]
    (wide,) = status_tables(states, width=300)
    (narrow,) = status_tables(states, width=80)
    assert len(wide.columns) == 2 + 17
    assert [column.header for column in narrow.columns] == ["arm", "seed", "stages"]
    assert "15 of 17 done, evaluate#0 running 3/9, 1 waiting" in text(narrow)
