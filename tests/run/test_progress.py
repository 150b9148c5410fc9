import io
from collections.abc import Callable

import pytest
from rich.console import Console

from dymu.artifacts.store import Store
from dymu.run.plan import Plan, Use
from dymu.run.progress import Display, Lines, clock
from dymu.run.queue import ChainQueue
from dymu.run.watch import Row, Watch
from dymu.run.work import Progress
from dymu.tracking.spool import Spool

Planner = Callable[..., Plan]
RUNNING = Progress(state="running", step=120, total=800, rate=10.0)


def row(arm: str, state: str = "running", stage: str = "edge", told: Progress = RUNNING) -> Row:
    return Row(
        use=Use("t", arm, 0), name=arm, state=state, stage=stage, address=f"{stage}/{arm}", progress=told
    )


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (125, "2:05"), (3725, "1:02:05")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_a_line_tells_arm_stage_step_rate_and_remaining_time() -> None:
    (line,) = Lines().news([row("ours")], now=0.0)
    assert line.endswith("ours seed 0  edge  running  120/800  10.0/s  1:08 left")


def test_a_line_appears_when_an_arm_changes_or_ten_seconds_have_gone() -> None:
    lines = Lines()
    assert len(lines.news([row("ours"), row("other", "waiting")], now=0.0)) == 1
    assert lines.news([row("ours"), row("other", "waiting")], now=5.0) == []
    assert len(lines.news([row("ours"), row("other", "waiting")], now=10.0)) == 1
    assert len(lines.news([row("ours", stage="weight"), row("other", "waiting")], now=11.0)) == 1
    assert lines.news([row("ours", "done", ""), row("other", "failed")], now=12.0)[1].endswith("edge  failed")
    assert lines.news([row("ours", "done", ""), row("other", "failed")], now=60.0) == []


def test_arms_that_wait_for_the_same_step_share_a_line() -> None:
    shared = [
        Row(use=Use("t", arm, 0), name=arm, state="running", stage="anchor", address="anchor/1")
        for arm in "abc"
    ]
    (line,) = Lines().news(shared, now=0.0)
    assert "3 arms seed 0  anchor  running" in line


def displayed(plan: Plan, store: Store, console: Console) -> None:
    """Shows a plan whose first chain runs, once."""
    queue = ChainQueue(plan)
    chain = queue.take()
    assert chain is not None
    Spool(store.work_dir(chain.name), address=chain.name).progress(1, 5)
    with Display(Watch(plan, queue, store), console, where="the store") as display:
        display.show()


def test_in_a_pipe_lines_are_printed(planner: Planner, store: Store) -> None:
    text = io.StringIO()
    displayed(planner("toy_question"), store, Console(file=text))
    assert "3 arms seed 0  anchor  running  1/5" in text.getvalue()


def test_a_stop_is_told_once(planner: Planner, store: Store) -> None:
    text = io.StringIO()
    plan = planner("toy_question")
    with Display(Watch(plan, ChainQueue(plan), store), Console(file=text), where="") as display:
        display.show(stopping=True)
        display.show(stopping=True)
    assert text.getvalue().count("Stopping: steps write their checkpoints") == 1


def test_in_a_terminal_a_table_is_drawn(planner: Planner, store: Store) -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, height=30, color_system=None)
    displayed(planner("toy_question", seeds=(0, 1)), store, console)
    shown = text.getvalue()
    for part in (
        "baseline",
        "double",
        "anchor",
        "1/5",
        "0 of 20 steps done",
        "no estimate yet",
        "results: the store",
    ):
        assert part in shown


def test_a_long_table_shows_what_tells_most(planner: Planner, store: Store) -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, height=12, color_system=None)
    displayed(planner("toy_question", seeds=tuple(range(5))), store, console)
    last = text.getvalue().rpartition("stage")[2]
    assert last.count("baseline") + last.count("double") + last.count("broken") == 6
    assert "1/5" in last
