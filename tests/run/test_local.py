import threading
import time
from collections.abc import Callable

from dymu.artifacts.store import Store
from dymu.run.local import run_local
from dymu.run.place import Place
from dymu.run.plan import Plan
from dymu.run.queue import ChainQueue

Planner = Callable[..., Plan]


def run(plan: Plan, store: Store, place: Place, stop: Callable[[], bool] = lambda: False) -> ChainQueue:
    queue = ChainQueue(plan)
    run_local(queue, store, place, stop, cpu_clock=time.process_time)
    return queue


def test_all_arms_but_the_broken_one_finish(planner: Planner, store: Store, place: Place) -> None:
    plan = planner("toy_question", seeds=(0, 1))
    queue = run(plan, store, place)
    assert {(use.arm, use.seed) for use in queue.failures} == {("broken", 0), ("broken", 1)}
    for use, final in plan.finals.items():
        assert store.has(final.address) == (use.arm != "broken")


def test_the_same_plan_again_runs_only_what_failed(planner: Planner, store: Store, place: Place) -> None:
    run(planner("toy_question"), store, place)
    again = planner("toy_question")
    assert {step.stage for step in again.missing} == {"weight", "evaluate"}
    assert len(again.missing) == 2
    queue = run(again, store, place)
    assert {use.arm for use in queue.failures} == {"broken"}


def test_a_stop_ends_the_run_and_keeps_what_is_done(
    planner: Planner, store: Store, place: Place, while_training: Callable[..., None]
) -> None:
    stop = threading.Event()
    plan = planner("toy_studies:slow")
    while_training("edge", stop.set)
    queue = run(plan, store, place, stop.is_set)
    assert queue.exhausted
    assert queue.failures == {}
    edge = next(step for step in plan.steps if step.stage == "edge")
    assert not store.has(edge.address)
    assert (store.work_dir(edge.address) / "checkpoint.pt").exists()
    assert [step.stage for step in planner("toy_studies:slow").missing] == ["edge", "weight", "evaluate"]
