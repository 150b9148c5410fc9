import os
import platform
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts import holder as module
from dymu.artifacts.holder import Holder, loads_holder, this_process

OTHER = """
import sys
from dymu.artifacts.holder import this_process

print(this_process("t").dumps(), flush=True)
sys.stdin.read()
"""


def other_process(run_python: Any) -> tuple[Any, Holder]:
    process = run_python(OTHER)
    return process, loads_holder(process.stdout.readline())


def test_this_process_names_itself() -> None:
    before = time.time()
    me = this_process("abc")
    assert (me.token, me.pid, me.host) == ("abc", os.getpid(), platform.node())
    assert before <= me.since <= time.time()
    assert me.text.startswith(f"process {os.getpid()} on {platform.node()}, since ")
    assert me.is_here
    assert not me.is_gone


def test_holder_survives_its_text() -> None:
    me = this_process("abc")
    assert loads_holder(me.dumps()) == me


@pytest.mark.parametrize("text", ["", "[]", "{", '{"pid": 1, "more": 2}'])
def test_unreadable_text_is_no_name(text: str) -> None:
    found = loads_holder(text)
    assert found == Holder()
    assert found.text == "a process that has not given its name"
    assert not found.is_here
    assert not found.is_gone


def test_process_that_ended_is_gone(run_python: Any) -> None:
    process, other = other_process(run_python)
    assert other.is_here
    assert not other.is_gone
    process.kill()
    process.wait()
    assert other.is_gone


def test_zombie_is_gone(run_python: Any) -> None:
    process, other = other_process(run_python)
    os.kill(process.pid, signal.SIGKILL)
    state = Path(f"/proc/{process.pid}/stat")
    while state.read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    assert other.is_gone


def test_stopped_process_is_not_gone(run_python: Any) -> None:
    process, other = other_process(run_python)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        assert not other.is_gone
    finally:
        os.kill(process.pid, signal.SIGCONT)


def test_number_that_was_given_again_is_another_process() -> None:
    me = this_process("abc")
    assert replace(me, started=me.started - 1).is_gone


@pytest.mark.parametrize("elsewhere", [{"host": "node3"}, {"machine": "another boot"}])
def test_of_another_machine_nothing_is_known(elsewhere: Any) -> None:
    stranger = replace(this_process("abc"), pid=2**22 - 1, **elsewhere)
    assert not stranger.is_here
    assert not stranger.is_gone


def test_hidden_process_is_not_taken_for_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    me = this_process("abc")
    monkeypatch.setattr(module, "_PROC", tmp_path)
    assert not me.is_gone
