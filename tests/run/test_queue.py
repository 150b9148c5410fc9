from collections.abc import Callable

from dymu.run.plan import Plan, Use
from dymu.run.queue import ChainQueue
from dymu.run.work import Failure

Planner = Callable[..., Plan]
Finish = Callable[[ChainQueue], list[str]]


def failure(address: str) -> Failure:
    return Failure(address=address, kind="TrainingError", message="not finite", step=3, log="log.txt")


def test_everything_is_handed_out_once_and_inputs_come_first(planner: Planner, finish: Finish) -> None:
    plan = planner("toy_question", seeds=(0, 1))
    queue = ChainQueue(plan)
    order = finish(queue)
    assert len(order) == len(plan.steps)
    assert order[:4] == ["anchor", "affinity", "anchor", "affinity"]  # what most arms wait for goes first
    assert queue.exhausted
    assert queue.finished == {chain.name for chain in plan.chains}


def test_a_chain_waits_for_what_it_needs(planner: Planner) -> None:
    queue = ChainQueue(planner("toy_question"))
    first = queue.take()
    assert first is not None
    assert queue.take() is None
    assert not queue.exhausted
    queue.finish(first.name)
    assert queue.take() is not None


def test_a_failure_takes_with_it_only_what_needs_it(planner: Planner, finish: Finish) -> None:
    plan = planner("toy_question")
    queue = ChainQueue(plan)
    anchor = queue.take()
    assert anchor is not None
    queue.finish(anchor.name)
    edge = queue.take()  # of baseline and broken
    assert edge is not None
    assert {use.arm for use in edge.users} == {"baseline", "broken"}
    queue.finish(edge.name, failure(edge.name))
    assert finish(queue) == ["edge", "weight", "evaluate"]  # of double
    assert queue.exhausted
    assert {use.arm: f.address for use, f in queue.failures.items()} == dict.fromkeys(
        ("baseline", "broken"), edge.name
    )


def test_a_failure_of_shared_steps_fails_all(planner: Planner) -> None:
    queue = ChainQueue(planner("toy_question"))
    anchor = queue.take()
    assert anchor is not None
    queue.finish(anchor.name, failure(anchor.name))
    assert queue.exhausted
    assert queue.take() is None
    assert {use.arm for use in queue.failures} == {"baseline", "double", "broken"}


def test_after_a_stop_nothing_is_handed_out(planner: Planner) -> None:
    queue = ChainQueue(planner("toy_question"))
    chain = queue.take()
    assert chain is not None
    queue.stop()
    assert queue.take() is None
    assert not queue.exhausted  # one still runs
    assert queue.running == (chain,)
    queue.interrupt(chain.name)
    assert queue.exhausted
    assert queue.failures == {}


def test_an_empty_plan_is_exhausted(planner: Planner) -> None:
    plan = planner("toy_studies:ours")
    done = Plan(
        targets=plan.targets,
        seeds=plan.seeds,
        finals=plan.finals,
        identities=plan.identities,
        steps=plan.steps,
        cached=frozenset(step.address for step in plan.steps),
    )
    assert ChainQueue(done).exhausted
    assert Use("toy_studies-ours", "baseline", 0) in done.finals
