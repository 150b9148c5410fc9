"""Tables of a search: its best trials or its Pareto set, and how much each entry matters."""

from collections.abc import Iterator, Sequence
from typing import Any

from dymu.artifacts.trials import SearchResult, Trial, short_names
from dymu.errors import ReportError
from dymu.reports.compare import estimate
from dymu.reports.table import Cell, Column, Table, count

_BEST = 10
_STATES = ("complete", "pruned", "failed", "running")


def search_table(result: SearchResult, *, everything: bool = False, provenance: bool = False) -> Table:
    """The Pareto set of several objectives, or the ten best trials by one.

    Args:
        result: The search.
        everything: All trials instead, in the order in which they were proposed.
        provenance: Whether to name the addresses behind each row.

    Raises:
        ReportError: If there is nothing to show yet.
    """
    if everything:
        chosen: Sequence[Trial] = result.trials
        which = "all trials"
    elif len(result.goals) > 1:
        pareto = {trial.number for trial in result.pareto()}
        chosen = [trial for trial in result.ranked() if trial.number in pareto]
        which = "Pareto set"
    else:
        chosen = result.ranked()[:_BEST]
        which = f"best {len(chosen)}" if len(chosen) > 1 else "best trial"
    if not chosen:
        raise ReportError(
            f"search {result.name} has no complete trial yet ({_counted(result)}); run "
            f"`dymu run {result.target}`."
        )
    names = short_names(result.space)
    columns = [
        Column(title="trial", plain=True),
        *([Column(title="state", plain=True)] if everything else []),
        *(Column(title=goal.value, higher_is_better=goal.maximize) for goal in result.goals),
        *(Column(title=names[path], plain=True) for path in result.space),
    ]
    rows = [
        (
            Cell(text=str(trial.number)),
            *([Cell(text=trial.state)] if everything else []),
            *_objective_cells(result, trial),
            *(Cell(text=value_text(trial.params.get(path))) for path in result.space),
        )
        for trial in chosen
    ]
    return Table(
        title=f"Search {result.name}: {which}, validation split",
        columns=tuple(columns),
        rows=tuple(rows),
        footnotes=(*_notes(result), *(_addresses(chosen) if provenance else ())),
    )


def importance_table(result: SearchResult) -> Table:
    """Shares of the variance over trials that each entry explains, for each objective.

    Raises:
        ReportError: If there are none; says why.
    """
    if not result.importances:
        raise ReportError(f"search {result.name}: no importances, because {result.without_importances}.")
    goals = [goal.value for goal in result.goals if goal.value in result.importances]
    paths = [path for path in result.space if any(path in result.importances[goal] for goal in goals)]
    first = result.importances[goals[0]]
    paths.sort(key=lambda path: -first.get(path, 0.0))
    rows = tuple(
        (Cell(text=path), *(_share_cell(result.importances[goal].get(path)) for goal in goals))
        for path in paths
    )
    left_out = [path for path in result.space if path not in paths]
    notes = [
        f"Share of the variance over {len(result.in_state('complete'))} complete trials that an entry "
        "explains by itself (fANOVA); the rest is due to combinations and noise."
    ]
    if left_out:
        notes.append(f"Left out, because not all trials have it or it never varied: {', '.join(left_out)}.")
    columns = (Column(title="entry", plain=True), *(Column(title=goal, plain=True) for goal in goals))
    return Table(
        title=f"Search {result.name}: importances", columns=columns, rows=rows, footnotes=tuple(notes)
    )


def value_text(value: Any) -> str:
    """A proposed value as printed."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def objective_text(value: float) -> str:
    """A measured value as printed."""
    return count(value) if abs(value) >= 1000 else f"{value:.4g}"


def _objective_cells(result: SearchResult, trial: Trial) -> Iterator[Cell]:
    for index in range(len(result.goals)):
        values = [by_seed[index] for by_seed in trial.by_seed.values()]
        if not trial.objectives or not values:
            yield Cell(text="–")
            continue
        found = estimate(values)
        yield Cell(
            text=objective_text(found.mean),
            spread=objective_text(found.half_width) if found.half_width else "",
            mark="best" if trial.number in _best(result, index) else "",
            estimate=found,
        )


def _best(result: SearchResult, index: int) -> set[int]:
    complete = result.in_state("complete")
    values = [trial.objectives[index] for trial in complete]
    best = max(values) if result.goals[index].maximize else min(values)
    return {trial.number for trial in complete if trial.objectives[index] == best}


def _share_cell(share: float | None) -> Cell:
    return Cell(text="–" if share is None else f"{100 * share:.0f} %")


def _notes(result: SearchResult) -> Iterator[str]:
    seeds = ", ".join(str(seed) for seed in result.seeds)
    mean = f"means over seeds {seeds}" if len(result.seeds) > 1 else f"seed {seeds}"
    yield f"{_counted(result)} of {result.budget} trials; {result.sampler}; {mean}. Baseline: {result.study}."
    if result.pruner:
        yield f"Pruned by {result.pruner}."
    yield (
        "Chosen among many by their own values, so these are too good by luck: evaluate what is chosen on "
        "the test split."
    )


def _counted(result: SearchResult) -> str:
    counts = [(len(result.in_state(state)), state) for state in _STATES]  # type: ignore[arg-type]
    listed = ", ".join(f"{number} {state}" for number, state in counts if number)
    return listed or "none begun"


def _addresses(trials: Sequence[Trial]) -> Iterator[str]:
    for trial in trials:
        listed = ", ".join(f"seed {seed}: {address}" for seed, address in trial.addresses.items())
        yield f"Trial {trial.number}: {listed}."
