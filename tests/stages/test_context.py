"""Surroundings of a step: when a checkpoint is due, who writes it, who may, and draws."""

import errno
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from dymu.artifacts.step import Step
from dymu.errors import StoreError
from dymu.stages.checkpoint import CHECKPOINT, PREVIOUS
from dymu.stages.context import Interrupted, RunContext, Superseded
from dymu.stages.world import World
from dymu.tracking.spool import METRICS

STATE = {"step": 3, "modules": {"net": {"weight": torch.arange(300.0)}}, "sums": {"loss": 0.25, "count": 2}}


@pytest.fixture
def context(steps: Mapping[str, Step], context_of: Callable[..., RunContext], tmp_path: Path) -> RunContext:
    """An attempt at the anchor."""
    return context_of(steps["anchor"], tmp_path)


def test_before_the_first_checkpoint_there_is_nothing_to_restore(context: RunContext) -> None:
    assert context.restore() is None


def test_what_was_saved_is_restored(context: RunContext) -> None:
    context.save(STATE)
    state = context.restore()
    assert state is not None
    assert torch.equal(state["modules"]["net"]["weight"], torch.arange(300.0))
    assert {**state, "modules": None} == {**STATE, "modules": None}


def test_the_last_checkpoint_counts(context: RunContext) -> None:
    context.save(STATE)
    context.save(STATE | {"step": 4})
    state = context.restore()
    assert state is not None
    assert state["step"] == 4


def test_another_attempt_finds_the_checkpoint(
    context: RunContext, context_of: Callable[..., RunContext], tmp_path: Path
) -> None:
    context.save(STATE)
    state = context_of(context.step, tmp_path, attempt="second").restore()
    assert state is not None
    assert state["step"] == 3


def test_a_full_disk_is_told_and_leaves_the_checkpoint_before(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.save(STATE)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match=r"No space left on device.*Free some space"):
            context.save(STATE | {"step": 4})
    state = context.restore()
    assert state is not None
    assert state["step"] == 3
    assert [path.name for path in context.work_dir.iterdir()] == [CHECKPOINT]


def test_checkpoints_are_due_after_their_time(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    context.checkpoint_seconds = 10
    for passed, due in ((1, False), (11, True), (15, True)):
        monkeypatch.setattr(time, "monotonic", lambda passed=passed: now + passed)
        assert context.checkpoint_due(3) == due
    context.save(STATE)
    assert not context.checkpoint_due(4)


def test_checkpoints_are_due_after_their_steps_if_time_does_not_ask_before(context: RunContext) -> None:
    context.checkpoint_steps = 4
    context.begin(2)
    assert [context.checkpoint_due(step) for step in (3, 5, 6, 7)] == [False, False, True, True]
    context.save(STATE | {"step": 6})
    assert [context.checkpoint_due(step) for step in (7, 9, 10)] == [False, False, True]
    context.checkpoint_seconds = 0.0
    assert context.checkpoint_due(7)


def test_only_the_leader_writes_checkpoints(context: RunContext) -> None:
    context.world = World(rank=1, size=2)
    context.checkpoint_seconds = 0.0
    context.save(STATE)
    assert not context.checkpoint_due(1)
    assert list(context.work_dir.iterdir()) == []


def test_after_each_checkpoint_the_runner_is_told(context: RunContext) -> None:
    seen = []
    context.saved = lambda: seen.append((context.work_dir / CHECKPOINT).exists())
    context.save(STATE)
    context.save(STATE)
    assert seen == [True, True]


def test_a_lost_claim_writes_neither_checkpoint_nor_metrics(context: RunContext) -> None:
    context.save(STATE)
    context.log(1, {"loss": 1.0})

    def lost() -> None:
        raise Superseded(context.step.address)

    context.fence = lost
    with pytest.raises(Superseded):
        context.save(STATE | {"step": 4})
    with pytest.raises(Superseded):
        context.log(2, {"loss": 2.0})
    state = context.restore()
    assert state is not None
    assert state["step"] == 3
    assert len((context.work_dir / METRICS).read_text().splitlines()) == 1
    assert not (context.work_dir / PREVIOUS).exists()


def test_draws_are_those_of_the_steps_seed_and_stage(context: RunContext) -> None:
    assert (context.random.seed, context.random.stage) == (0, "anchor")


def test_a_step_without_seed_cannot_draw(
    steps: Mapping[str, Step], tmp_path: Path, context: RunContext
) -> None:
    given = steps["anchor"]
    seedless = Step(stage="anchor", revision=1, config=given.config, run=given.run)
    other = RunContext(step=seedless, out_dir=tmp_path, work_dir=tmp_path, input_dirs={}, data=context.data)
    with pytest.raises(AssertionError, match="has no seed"):
        _ = other.random


@pytest.mark.parametrize("end", [Interrupted, Superseded])
def test_an_end_from_outside_is_no_error(end: type[BaseException]) -> None:
    assert not issubclass(end, Exception)
