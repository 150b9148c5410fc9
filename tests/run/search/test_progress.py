import io
from collections.abc import Callable
from typing import Any

from rich.console import Console

from dymu.artifacts.store import Store
from dymu.run.search.desk import Desk
from dymu.run.search.progress import SearchDisplay, standing, trial_line
from dymu.run.search.queue import SearchQueue

Make = Callable[..., Any]
Open = Callable[..., Desk]


def console_of(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=160, height=40, force_terminal=terminal)


def text_of(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_pipe_gets_a_line_for_each_answer_once(
    make_search: Make, open_desk: Open, executor: Any, store: Store
) -> None:
    desk = open_desk(make_search(trials=3))
    queue = SearchQueue([desk], store)
    console = console_of(terminal=False)
    with SearchDisplay(queue, [desk], store, console) as display:
        executor.run(queue, chains=2)
        display.show()
        display.show()
        executor.run(queue)
    lines = text_of(console).splitlines()
    assert ["trial 0 complete" in line for line in lines] == [True, False, False]
    assert "x=0.5" in lines[0]
    assert "hypervolume/c=0 = " in lines[0]
    assert lines[2].endswith(f"[{standing(desk.result())}]")


def test_answers_of_earlier_commands_are_no_news(
    make_search: Make, open_desk: Open, executor: Any, store: Store, searched: Make
) -> None:
    searched(make_search(trials=2))
    desk = open_desk(make_search(trials=3))
    queue = SearchQueue([desk], store)
    console = console_of(terminal=False)
    with SearchDisplay(queue, [desk], store, console):
        executor.run(queue)
    assert len(text_of(console).splitlines()) == 1


def test_a_terminal_gets_a_table(make_search: Make, open_desk: Open, executor: Any, store: Store) -> None:
    desk = open_desk(make_search(trials=3))
    queue = SearchQueue([desk], store)
    console = console_of(terminal=True)
    with SearchDisplay(queue, [desk], store, console) as display:
        executor.run(queue, chains=2)
        queue.take()
        display.show(stopping=True)
    text = text_of(console)
    assert "Stopping: steps write their checkpoints" in text
    assert "curve_search-one" in text
    assert "complete" in text
    assert "edge" in text  # the stage that runs
    assert "to compute" in text


def test_a_failure_is_told_in_one_line(make_search: Make, open_desk: Open) -> None:
    desk = open_desk(make_search())
    proposal = desk.next()
    assert proposal is not None
    desk.fail(proposal.number, "TrainingError: not finite\nmore")
    result = desk.result()
    line = trial_line(result, result.trials[0])
    assert "trial 0 failed  TrainingError: not finite" in line
    assert "more" not in line
    assert standing(result) == "1 of 6, nothing complete yet"
