"""Checkpoints: whole, checked, plain tensors; and what happens when they are not."""

import errno
import logging
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dymu.errors import StoreError
from dymu.stages.checkpoint import (
    ATTEMPTS,
    CHECKPOINT,
    PREVIOUS,
    REACHED,
    Checkpoints,
    pack,
    read_attempts,
    unpack,
)

Spoil = Callable[[bytes], bytes]

SPOILS: dict[str, Spoil] = {
    "empty": lambda _content: b"",
    "cut in the checksum": lambda content: content[:20],
    "cut in half": lambda content: content[: len(content) // 2],
    "something else": lambda _content: b"no checkpoint at all, but long enough to be one",
    "one bit flipped": lambda content: content[:900] + bytes([content[900] ^ 1]) + content[901:],
}


def state(step: int) -> dict[str, Any]:
    return {"step": step, "modules": {"net": {"weight": torch.arange(300.0)}}, "sums": {"count": 2}}


def spoil(path: Path, how: str) -> None:
    path.write_bytes(SPOILS[how](path.read_bytes()))


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    """Those of one work folder."""
    return Checkpoints(tmp_path)


def step_of(content: bytes | None) -> int | None:
    return None if content is None else int(unpack(content, "cpu")["step"])


def test_a_state_survives(checkpoints: Checkpoints) -> None:
    checkpoints.write(pack(state(3)))
    content = checkpoints.read()
    assert content is not None
    found = unpack(content, "cpu")
    assert torch.equal(found["modules"]["net"]["weight"], torch.arange(300.0))
    assert {**found, "modules": None} == {**state(3), "modules": None}


def test_nothing_is_found_where_nothing_was_written(checkpoints: Checkpoints) -> None:
    assert checkpoints.read() is None
    assert checkpoints.unreadable == ()


def test_the_last_two_are_kept_and_nothing_else(checkpoints: Checkpoints) -> None:
    for step in (1, 2, 3):
        checkpoints.write(pack(state(step)))
    assert step_of(checkpoints.read()) == 3
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == [PREVIOUS, CHECKPOINT]
    (checkpoints.folder / CHECKPOINT).unlink()
    assert step_of(checkpoints.read()) == 2


@pytest.mark.parametrize("how", SPOILS)
def test_a_spoilt_checkpoint_is_passed_over_with_a_warning(
    checkpoints: Checkpoints, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints.write(pack(state(1)))
    checkpoints.write(pack(state(2)))
    spoil(checkpoints.folder / CHECKPOINT, how)
    with caplog.at_level(logging.WARNING):
        assert step_of(checkpoints.read()) == 1
    assert checkpoints.unreadable == (f"{CHECKPOINT}: its content does not match its checksum",)
    assert f"{CHECKPOINT}: its content does not match its checksum; the one before it is used" in caplog.text


@pytest.mark.parametrize("how", SPOILS)
def test_two_spoilt_checkpoints_start_the_step_over(
    checkpoints: Checkpoints, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (1, 2):
        checkpoints.write(pack(state(step)))
    for name in (CHECKPOINT, PREVIOUS):
        spoil(checkpoints.folder / name, how)
    with caplog.at_level(logging.WARNING):
        assert checkpoints.read() is None
    assert [text.partition(":")[0] for text in checkpoints.unreadable] == [CHECKPOINT, PREVIOUS]
    assert "the step starts from its beginning" in caplog.text


class Payload:
    """Something that would run code if it were unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("harm",))


def test_a_checkpoint_that_would_run_code_does_not(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert b"mkdir" in pickle.dumps(Payload())
    content = pack({"step": Payload()})
    checkpoints.write(content)
    assert checkpoints.read() is None
    assert "cannot be read as plain tensors" in checkpoints.unreadable[0]
    with pytest.raises(pickle.UnpicklingError):
        unpack(bytes(content), "cpu")
    assert not (tmp_path / "harm").exists()


def test_a_disk_that_refuses_to_read_is_no_spoilt_checkpoint(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.write(pack(state(1)))

    def broken(_path: Path) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", broken)
        with pytest.raises(StoreError, match="Input/output error"):
            checkpoints.read()
    assert step_of(checkpoints.read()) == 1


def test_attempts_say_what_they_do_again(checkpoints: Checkpoints) -> None:
    checkpoints.begin(0, 1)
    checkpoints.count(7)
    later = Checkpoints(checkpoints.folder)
    later.begin(4, 2)
    later.count(5)
    Checkpoints(checkpoints.folder).begin(5, 2)
    found = [
        (line["resumed_at"], line["reached"], line["redone"], line["workers"])
        for line in read_attempts(checkpoints.folder)
    ]
    assert found == [(0, 0, 0, 1), (4, 7, 3, 2), (5, 5, 0, 2)]


def test_a_step_that_was_never_begun_has_no_attempts(tmp_path: Path) -> None:
    assert read_attempts(tmp_path) == []


def test_a_line_that_was_cut_is_left_out(checkpoints: Checkpoints) -> None:
    checkpoints.begin(0, 1)
    with (checkpoints.folder / ATTEMPTS).open("a", encoding="utf-8") as file:
        file.write('{"resumed_at": 3, "rea')
    assert [line["resumed_at"] for line in read_attempts(checkpoints.folder)] == [0]


def test_a_count_that_was_never_written_whole_counts_as_none(checkpoints: Checkpoints) -> None:
    (checkpoints.folder / REACHED).write_bytes(b"\0\0\0")
    checkpoints.begin(2, 1)
    assert read_attempts(checkpoints.folder)[0]["reached"] == 0
