"""Checkpoints: whole, checked, plain tensors, and a word on what to do when they are not."""

import errno
import os
import pickle
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from dymu.artifacts.step import Step
from dymu.errors import StoreError
from dymu.stages.context import CHECKPOINT, Interrupted, RunContext

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


def test_a_checkpoint_leaves_no_other_file(context: RunContext) -> None:
    context.save(STATE)
    assert [path.name for path in context.work_dir.iterdir()] == [CHECKPOINT]


def test_another_attempt_finds_the_checkpoint(
    context: RunContext, context_of: Callable[..., RunContext], tmp_path: Path
) -> None:
    context.save(STATE)
    state = context_of(context.step, tmp_path, attempt="second").restore()
    assert state is not None
    assert state["step"] == 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _content: b"",
        lambda content: content[:20],
        lambda content: content[: len(content) // 2],
        lambda _content: b"no checkpoint at all, but long enough to be one",
        lambda content: content[:900] + bytes([content[900] ^ 1]) + content[901:],
    ],
    ids=["empty", "cut in the checksum", "cut in half", "something else", "one bit flipped"],
)
def test_a_spoilt_checkpoint_is_refused(context: RunContext, spoil: Callable[[bytes], bytes]) -> None:
    context.save(STATE)
    path = context.work_dir / CHECKPOINT
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(StoreError) as caught:
        context.restore()
    message = str(caught.value)
    assert str(path) in message
    assert context.step.address in message
    assert "delete that file to start this step from its beginning" in message
    assert path.exists()


class Payload:
    """Something that would run code if it were unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("harm",))


def test_a_checkpoint_that_would_run_code_is_refused(
    context: RunContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert b"mkdir" in pickle.dumps(Payload())
    context.save({"step": Payload()})
    with pytest.raises(StoreError, match="cannot be read"):
        context.restore()
    assert not (tmp_path / "harm").exists()


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
        assert context.checkpoint_due() == due
    context.save(STATE)
    assert not context.checkpoint_due()


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


def test_an_interruption_is_no_error() -> None:
    assert not issubclass(Interrupted, Exception)
