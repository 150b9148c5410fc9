import io
from collections.abc import Callable
from typing import Any

from rich.console import Console

from dymu.run.search.budget import budget_of
from dymu.run.search.trial import Counts
from dymu.run.search.views import budget_summary, counts_summary, space_table, total_summary
from dymu.spec.search import Pruner
from dymu.spec.space import Choice, Float, When

Make = Callable[..., Any]


def printed(shown: object) -> str:
    console = Console(file=io.StringIO(), width=150)
    console.print(shown)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_space_is_shown_with_its_conditions(make_search: Make) -> None:
    mode = Choice(path="method.edge.mode", options={"straight": "plain", "bent": "bent"})
    when = When(path=mode.path, equals=("bent",))
    bend = Float(path="method.edge.bend", low=0.1, high=1.0, log=True, only_when=when)
    text = printed(space_table(budget_of(make_search(space=(mode, bend)), None, asked=0)))
    assert "straight, bent" in text
    assert "0.1 to 1, log" in text
    assert "method.edge.mode is bent" in text


def test_a_budget_in_words(make_search: Make) -> None:
    search = make_search(seeds=(0, 1), pruner=Pruner())
    assert budget_summary(budget_of(search, None, asked=2)) == (
        "curve-ours: hypervolume/c=0 up, on the validation split at seed 0, 1. 6 trials by tpe, 2 of them "
        "asked for already. asha ends trials early, between seeds. 2 steps are shared by all trials (2 to "
        "run), at most 6 are a trial's own; no estimate yet."
    )
    assert budget_summary(budget_of(search, None, asked=6)).endswith("the budget is spent.")


def test_all_arms_in_words(make_search: Make) -> None:
    budgets = [budget_of(make_search(), None, asked=asked) for asked in (0, 2)]
    assert total_summary(budgets).startswith("10 trials in 2 arms: no estimate yet")


def test_counts_in_words() -> None:
    text = counts_summary(Counts(wanted=10, found=6, joined=1, computed=3))
    assert text == (
        "Trials needed 10 steps: 6 were in the store, 1 on their way for another trial, 3 were to be "
        "computed."
    )
