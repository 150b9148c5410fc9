from collections.abc import Callable
from pathlib import Path

from dymu.artifacts.store import Store
from dymu.run.execute import execute_step
from dymu.run.place import Place
from dymu.run.plan import Plan, make_plan
from dymu.run.queue import ChainQueue
from dymu.run.target import Request, resolve
from dymu.run.watch import Watch
from dymu.run.work import Failure
from dymu.tracking.spool import Spool

Planner = Callable[..., Plan]


def watched(plan: Plan, store: Store) -> tuple[ChainQueue, Watch]:
    queue = ChainQueue(plan)
    return queue, Watch(plan, queue, store)


def test_arms_that_wait_for_one_step_all_show_it(planner: Planner, store: Store) -> None:
    plan = planner("toy_question")
    queue, watch = watched(plan, store)
    assert {row.state for row in watch.rows()} == {"waiting"}
    chain = queue.take()
    assert chain is not None
    spool = Spool(store.work_dir(chain.name), address=chain.name)
    spool.progress(1, 5)
    watch.look()
    rows = watch.rows()
    assert [(row.state, row.stage, row.progress.step, row.progress.total) for row in rows] == [
        ("running", "anchor", 1, 5)
    ] * 3


def test_inside_a_chain_the_next_step_is_shown_when_one_is_published(
    planner: Planner, store: Store, place: Place
) -> None:
    plan = planner("toy_studies:ours")
    queue, watch = watched(plan, store)
    chain = queue.take()
    assert chain is not None
    for step, following in zip(chain.steps, chain.steps[1:], strict=False):
        execute_step(step, store, place, lambda: False)
        watch.look()
        assert step.address in watch.done
        assert watch.rows()[0].stage == following.stage


def test_finished_and_failed_arms(planner: Planner, store: Store) -> None:
    plan = planner("toy_question")
    queue, watch = watched(plan, store)
    while (chain := queue.take()) is not None:
        broken = {use.arm for use in chain.users} == {"broken"}
        failure = Failure(address=chain.name, kind="E", message="m", step=None, log="")
        queue.finish(chain.name, failure if broken else None)
    watch.look()
    told = {row.use.arm: (row.state, row.stage) for row in watch.rows()}
    assert told == {"baseline": ("done", ""), "double": ("done", ""), "broken": ("failed", "weight")}


def test_remaining_time_is_known_once_every_stage_has_run(
    planner: Planner, store: Store, place: Place
) -> None:
    _, watch = watched(planner("toy_studies:ours"), store)
    assert watch.seconds_left() is None
    for step in planner("toy_studies:ours", seeds=(1,)).steps:
        execute_step(step, store, place, lambda: False)
    _, watch = watched(planner("toy_studies:ours"), store)
    left = watch.seconds_left()
    assert left is not None
    assert 0 <= left < 60


def test_the_part_of_a_step_that_runs_is_shown(toys: Path, store: Store) -> None:
    targets = resolve(Request(text="studies.digits:ours"), folder=toys)
    plan = make_plan(targets, (0,), has=store.has, apart=True)
    queue, watch = watched(plan, store)
    chain = queue.take()
    assert chain is not None
    Spool(store.work_dir(chain.name), address=chain.name).progress(3, 5)
    watch.look()
    (row,) = watch.rows()
    assert (row.state, row.stage, row.progress.step) == ("running", "anchor_stream", 3)
