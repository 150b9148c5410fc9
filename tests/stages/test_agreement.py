"""Ranks that agree on a step; they are threads here, so that each of them can be looked at."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Barrier

import pytest
import torch
from torch import Tensor

from dymu.artifacts.step import Step
from dymu.errors import StoreError, TrainingError
from dymu.stages.agreement import Agreement, Outcome
from dymu.stages.context import RunContext, Superseded
from dymu.stages.world import World


@dataclass(frozen=True, kw_only=True)
class Thread(World):
    """One of several threads that wait for each other."""

    told: list[Tensor]
    words: list[bytes | None]
    barrier: Barrier

    def gather(self, tensor: Tensor) -> Tensor:
        self.told[self.rank] = tensor.detach().clone()
        self.barrier.wait(timeout=60)
        everything = torch.stack(self.told)
        self.barrier.wait(timeout=60)
        return everything

    def broadcast(self, data: bytes | None) -> bytes | None:
        if self.leader:
            self.words[0] = data
        self.barrier.wait(timeout=60)
        return self.words[0]


Work = Callable[[Agreement], object]


@pytest.fixture
def on_ranks(
    steps: dict[str, Step], context_of: Callable[..., RunContext], tmp_path: Path
) -> Callable[..., list[object]]:
    """What each of three ranks returns or raises."""
    context = context_of(steps["anchor"], tmp_path)
    told, barrier = [torch.empty(0)] * 3, Barrier(3)
    words: list[bytes | None] = [None]

    def run(work: Work, *, stopped: int | None = None) -> list[object]:
        def rank(number: int) -> object:
            world = Thread(rank=number, size=3, told=told, words=words, barrier=barrier)
            mine = replace(context, world=world, stop_requested=lambda: number == stopped)
            try:
                return work(Agreement(mine))
            except BaseException as error:  # noqa: BLE001 - compared by the test
                return error

        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(rank, range(3)))

    return run


def outcome(value: float) -> Outcome:
    losses_N = torch.tensor([value, 2 * value], requires_grad=True)
    return Outcome(
        objective=losses_N.sum(),
        task_losses_N=losses_N,
        metrics={"temperature": 4.0, "active_loss": losses_N.prod()},
    )


def test_the_outcome_of_all_is_the_mean_over_the_ranks(on_ranks: Callable[..., list[Outcome]]) -> None:
    for found in on_ranks(lambda agreement: agreement.on(outcome(1.0 + agreement.world.rank))):
        assert found.objective == 6.0
        assert found.task_losses_N.tolist() == [2.0, 4.0]
        assert found.metrics["temperature"] == 4.0
        assert found.metrics["active_loss"] == pytest.approx((2 + 8 + 18) / 3)
        assert not found.objective.requires_grad


def test_alone_the_outcome_is_left_alone(
    steps: dict[str, Step], context_of: Callable[..., RunContext], tmp_path: Path
) -> None:
    mine = outcome(1.0)
    assert Agreement(context_of(steps["anchor"], tmp_path)).on(mine) is mine


def test_a_loss_that_is_not_finite_on_one_rank_is_so_on_all(on_ranks: Callable[..., list[Outcome]]) -> None:
    def work(agreement: Agreement) -> Outcome:
        return agreement.on(outcome(float("nan") if agreement.world.rank == 2 else 1.0))

    for found in on_ranks(work):
        assert not found.task_losses_N.isfinite().any()
        assert not found.objective.isfinite()


@pytest.mark.parametrize("stopped", [None, 0, 2])
def test_one_rank_that_is_asked_to_stop_stops_all(
    on_ranks: Callable[..., list[bool]], stopped: int | None
) -> None:
    def settle(agreement: Agreement) -> bool:
        agreement.settle()
        return agreement.stop

    def on(agreement: Agreement) -> bool:
        agreement.on(outcome(1.0))
        return agreement.stop

    for work in (settle, on):
        assert on_ranks(work, stopped=stopped) == [stopped is not None] * 3


def write_of_the_leader(error: BaseException, begun: list[int]) -> Work:
    def fail() -> None:
        begun.append(0)
        raise error

    def work(agreement: Agreement) -> object:
        agreement.write(fail)
        agreement.write(fail)
        return agreement.on(outcome(1.0))

    return work


def test_a_leader_that_cannot_write_ends_all_with_its_words(on_ranks: Callable[..., list[object]]) -> None:
    begun: list[int] = []
    found = on_ranks(write_of_the_leader(StoreError("the disk is full"), begun))
    assert [type(error) for error in found] == [StoreError, TrainingError, TrainingError]
    assert {str(error) for error in found} == {"the disk is full"}
    assert begun == [0], "only the leader writes, and not again after it failed"


def test_a_leader_that_lost_the_step_ends_all(on_ranks: Callable[..., list[object]]) -> None:
    found = on_ranks(write_of_the_leader(Superseded("gone"), []))
    assert [type(error) for error in found] == [Superseded] * 3


def test_alone_what_goes_wrong_is_raised_at_once(
    steps: dict[str, Step], context_of: Callable[..., RunContext], tmp_path: Path
) -> None:
    agreement = Agreement(context_of(steps["anchor"], tmp_path))

    def fail() -> None:
        raise Superseded("gone")

    with pytest.raises(Superseded):
        agreement.write(fail)
