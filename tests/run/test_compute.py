import contextlib
import json
from dataclasses import replace

import pytest

from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.errors import TrainingError
from dymu.run.compute import Claim, compute_step, leave_error
from dymu.run.place import Place
from dymu.run.resources import resource_table
from dymu.run.work import error_token, read_failure
from dymu.stages.context import RunContext, Superseded
from dymu.stages.world import World


class Follower(World):
    """Rank 1 of 2, whose leader is elsewhere and says nothing."""

    def sum(self, tensor):  # type: ignore[no-untyped-def]
        return tensor


SEEN: list[RunContext] = []


def writes(step: Step, context: RunContext) -> None:
    del step
    SEEN.append(context)
    context.spool.log(1, {"loss": 1.0})
    (context.out_dir / "result.txt").write_text(f"rank {context.world.rank}")


def a_step() -> Step:
    return Step(stage="toy", revision=1, config={}, run=writes)


def never() -> bool:
    return False


def held(store: Store, step: Step) -> str:
    lease = store.lease(step.address)
    assert lease.try_acquire()
    KEPT.append(lease)
    return lease.token


KEPT: list[object] = []


def test_a_rank_that_does_not_lead_leaves_nothing(store: Store, place: Place) -> None:
    step = a_step()
    token = held(store, step)
    compute_step(step, store, place, never, Claim(token=token, world=Follower(rank=1, size=2)))
    assert not store.has(step.address)
    assert not store.unpublished(step.address)
    assert not SEEN[-1].out_dir.exists()
    assert list(store.works()) == []


def test_the_leader_publishes_and_tells_where_it_ran(store: Store, place: Place) -> None:
    step = a_step()
    world = Follower(rank=0, size=2)
    compute_step(step, store, place, never, Claim(token=held(store, step), world=world))
    folder = store.path(step.address)
    told = json.loads((folder / "provenance.json").read_text())
    assert (told["workers"], told["device"], told["attempts"]) == (2, "cpu", [])
    assert (folder / "metrics.jsonl").exists()


def test_nothing_is_published_for_a_lease_that_was_lost(store: Store, place: Place) -> None:
    step = a_step()
    held(store, step)
    with pytest.raises(Superseded):
        compute_step(step, store, place, never, Claim(token="of somebody who was taken for dead"))
    assert not store.has(step.address)
    assert not store.unpublished(step.address)


def test_an_error_is_written_once_for_a_lease(store: Store) -> None:
    step = a_step()
    leave_error(step, store, TrainingError("of the rank that saw it"), token="a")
    leave_error(step, store, RuntimeError("connection closed by peer"), token="a")
    assert error_token(store, step.address) == "a"
    failure = read_failure(store, step.address)
    assert failure is not None
    assert failure.message == "of the rank that saw it"
    leave_error(step, store, RuntimeError("of another try"), token="b")
    assert (read_failure(store, step.address) or failure).message == "of another try"


@pytest.mark.parametrize(("setting", "device"), [("toy.gpus=1", "cuda"), ("toy.gpus=0", "cpu")])
def test_the_context_gets_the_device_of_the_stage(
    store: Store, place: Place, setting: str, device: str
) -> None:
    step = a_step()
    wanted = replace(place, device="cuda", resources=resource_table([setting]))
    compute_step(step, store, wanted, never, Claim(token=held(store, step)))
    assert SEEN[-1].device == device


def test_parts_are_handed_over_once_all_are_there(store: Store, place: Place) -> None:
    parts = tuple(replace(a_step(), config={"part": number}) for number in range(2))
    given: list[set[str]] = []
    for number, part in enumerate(parts):
        compute_step(part, store, place, never, Claim(token=held(store, part)))
        step = replace(a_step(), config={"whole": number}, parts=parts)
        compute_step(step, store, place, never, Claim(token=held(store, step)))
        given.append(set(SEEN[-1].parts))
    assert given == [set(), {part.address for part in parts}]


ENDED: list[int] = []


def opens(step: Step, context: RunContext) -> None:
    context.closing.callback(ENDED.append, context.world.rank)
    writes(step, context)
    assert not ENDED
    if step.config["fails"]:
        raise TrainingError("after it was opened")


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("fails", [False, True])
def test_what_has_to_end_with_the_stage_ends(store: Store, place: Place, rank: int, fails: bool) -> None:
    ENDED.clear()
    step = Step(stage="toy", revision=1, config={"fails": fails}, run=opens)
    claim = Claim(token=held(store, step), world=Follower(rank=rank, size=2))
    with pytest.raises(TrainingError) if fails else contextlib.nullcontext():
        compute_step(step, store, place, never, claim)
    assert list(ENDED) == [rank]
