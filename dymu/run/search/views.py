"""What a search will do, as terminal tables and sentences."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from dymu.run.progress import clock
from dymu.run.search.budget import Budget
from dymu.run.search.trial import Counts


def space_table(budget: Budget) -> Table:
    """Every entry with its values and the baseline's own."""
    search = budget.search
    table = Table(
        box=None, padding=(0, 2, 0, 0), header_style="dim", title=Text(search.name), title_justify="left"
    )
    for title in ("entry", "values", "only when"):
        table.add_column(title, overflow="fold")
    for entry in search.space:
        condition = entry.only_when
        only = "" if condition is None else f"{condition.path} is {' or '.join(map(str, condition.equals))}"
        table.add_row(entry.path, entry.text, only)
    return table


def budget_summary(budget: Budget) -> str:
    """What is searched, how, and what it costs at most, in one paragraph."""
    search = budget.search
    goals = ", ".join(f"{o.value} {'up' if o.direction == 'maximize' else 'down'}" for o in search.objectives)
    seeds = ", ".join(str(seed) for seed in search.seeds)
    begun = f", {budget.asked} of them asked for already" if budget.asked else ""
    pruner = "" if search.pruner is None else f" {search.pruner.kind} ends trials early, between seeds."
    return (
        f"{search.baseline.name}: {goals}, on the validation split at seed {seeds}. {search.trials} trials "
        f"by {search.sampler.kind}{begun}.{pruner} {len(budget.shared)} steps are shared by all trials "
        f"({len(budget.shared_missing)} to run), at most {len(budget.each)} are a trial's own; "
        f"{_cost(budget)}."
    )


def total_summary(budgets: Sequence[Budget]) -> str:
    """All arms in one sentence."""
    seconds = sum(budget.cpu_s for budget in budgets)
    trials = sum(budget.left for budget in budgets)
    cost = f"about {clock(seconds)} of CPU time at most" if seconds else "no estimate yet"
    return f"{trials} trials in {len(budgets)} arms: {cost}; steps that arms share are counted in each."


def counts_summary(counts: Counts) -> str:
    """How much work a run was."""
    return (
        f"Trials needed {counts.wanted} steps: {counts.found} were in the store, {counts.joined} on their "
        f"way for another trial, {counts.computed} were to be computed."
    )


def _cost(budget: Budget) -> str:
    if not budget.left:
        return "the budget is spent"
    if not budget.cpu_s:
        return "no estimate yet"
    without = f", not counting {', '.join(budget.unknown)}" if budget.unknown else ""
    return f"about {clock(budget.cpu_s)} of CPU time at most{without}"
