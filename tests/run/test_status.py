import json
from collections.abc import Callable

from dymu.artifacts.store import Store
from dymu.run.execute import execute_step, run_chain
from dymu.run.place import Place
from dymu.run.plan import Plan
from dymu.run.status import study_status, users_of
from dymu.tracking.spool import Spool

Planner = Callable[..., Plan]


def states(store: Store, plan: Plan) -> dict[str, str]:
    (target,) = plan.targets
    return {s.stage: s.state for s in study_status(store, [plan.manifest(target)]) if s.arm == "baseline"}


def test_before_anything_ran_all_stages_wait_in_run_order(planner: Planner, store: Store) -> None:
    told = states(store, planner("toy_studies:ours"))
    assert list(told) == ["anchor", "affinity", "edge", "weight", "evaluate"]
    assert set(told.values()) == {"waiting"}


def test_states_follow_the_store(planner: Planner, store: Store, place: Place) -> None:
    plan = planner("toy_studies:ours")
    steps = {step.stage: step for step in plan.steps}
    execute_step(steps["anchor"], store, place, lambda: False)
    lease = store.lease(steps["affinity"].address)
    assert lease.try_acquire()
    told = states(Store(store.root, read_only=True), plan)
    lease.release()
    assert (told["anchor"], told["affinity"], told["edge"]) == ("done", "running", "waiting")


def test_a_step_that_says_it_runs_but_is_held_by_nobody_was_interrupted(
    planner: Planner, store: Store
) -> None:
    plan = planner("toy_studies:ours")
    address = plan.steps[0].address
    Spool(store.work_dir(address), address=address).progress(3, 9)
    (state, *_) = study_status(store, [plan.manifest(plan.targets[0])])
    assert (state.state, state.step, state.total) == ("interrupted", 3, 9)


def test_a_failure_is_told_with_its_log(planner: Planner, store: Store, place: Place) -> None:
    plan = planner("toy_question", arms=("broken",))
    (chain,) = plan.chains
    assert run_chain(chain, store, place, lambda: False).failure is not None
    failed = [s for s in study_status(store, [plan.manifest(plan.targets[0])]) if s.state == "failed"]
    assert [(s.arm, s.stage) for s in failed] == [("broken", "weight")]
    assert failed[0].error == "TrainingError: the loss of task left is not finite at step 3"
    assert failed[0].log.endswith("log.txt")
    assert json.loads(json.dumps(failed[0].form()))["manifest"] == "toy_studies-ours.toy_question"


def test_users_of_an_address_are_manifests(planner: Planner) -> None:
    question, study = planner("toy_question"), planner("toy_studies:ours")
    users = users_of([question.manifest(question.targets[0]), study.manifest(study.targets[0])])
    assert users[study.steps[0].address] == ["toy_studies-ours.toy_question", "toy_studies-ours"]
    assert all(step.address in users for step in question.steps)
