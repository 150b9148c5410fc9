import json
from collections.abc import Callable

from dymu.artifacts.store import Store
from dymu.run.execute import execute_step
from dymu.run.jobs.client import Job
from dymu.run.live import announce
from dymu.run.overview import StudyOverview, overview
from dymu.run.place import Place
from dymu.run.plan import Plan

Planner = Callable[..., Plan]


def look(store: Store, plan: Plan, *jobs: Job) -> StudyOverview:
    (found,) = overview(store, [plan.manifest(plan.targets[0])], jobs)
    return found


def job(store: Store, status: str, *, study: str = "toy_studies-ours") -> Job:
    told = {"dymu.studies": study, "dymu.store": store.location}
    return Job(id="toy-1", status=status, exit_code=1 if status == "FAILED" else None, metadata=told)


def test_before_anything_ran_it_is_unfinished(planner: Planner, store: Store) -> None:
    found = look(store, planner("toy_studies:ours"))
    assert (found.state, found.line) == ("unfinished", "unfinished, 0 of 5 steps done")
    assert json.loads(json.dumps(found.form()))["mlflow"]["runs"] == {}


def test_a_driver_that_lives_is_told(planner: Planner, store: Store) -> None:
    plan = planner("toy_studies:ours")
    with announce(store, ["toy_studies-ours"]):
        found = look(store, plan)
        assert found.state == "running"
        assert "driver" in found.line
    assert look(store, plan).state == "unfinished"


def test_a_job_that_waits_for_its_cluster_counts_as_running(planner: Planner, store: Store) -> None:
    plan = planner("toy_studies:ours")
    assert look(store, plan, job(store, "PENDING")).state == "running"
    ended = look(store, plan, job(store, "FAILED"))
    assert ended.state == "unfinished"
    assert ended.line.endswith("job toy-1 FAILED, exit code 1")


def test_jobs_of_other_studies_and_stores_are_left_out(planner: Planner, store: Store) -> None:
    plan = planner("toy_studies:ours")
    elsewhere = Job(
        id="x", status="RUNNING", metadata={"dymu.studies": "toy_studies-ours", "dymu.store": "/x"}
    )
    found = look(store, plan, job(store, "RUNNING", study="other"), elsewhere)
    assert (found.state, list(found.jobs)) == ("unfinished", [])


def test_when_all_is_published_it_is_done(planner: Planner, store: Store, place: Place) -> None:
    plan = planner("toy_studies:ours")
    for step in plan.steps:
        execute_step(step, store, place, lambda: False)
    assert look(store, plan, job(store, "STOPPED")).line == "done, 5 of 5 steps done; job toy-1 STOPPED"
