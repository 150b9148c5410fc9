"""Figures of a search: the Pareto front of two objectives, the course of one, and importances."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from dymu.artifacts.trials import Goal, SearchResult, Trial, short_names
from dymu.errors import ReportError
from dymu.reports.style import COLOURS, COLUMN_IN, SMALLEST, panels, paper_style, save, shortened

_ROW_IN = 2.4
_LABEL = 34


def draw_search(result: SearchResult, folder: Path) -> list[Path]:
    """Draw what a search has found, as SVG, PDF and PNG.

    Args:
        result: The search.
        folder: Folder for the files; made if need be.

    Returns:
        The files.

    Raises:
        ReportError: If no trial is complete.
    """
    if not result.in_state("complete"):
        raise ReportError(f"search {result.name} has no complete trial to draw yet.")
    with paper_style():
        files = save(course(result), folder, "course")
        if len(result.goals) > 1:
            files += save(front(result), folder, "pareto")
        if result.importances:
            files += save(importance_bars(result), folder, "importances")
    return files


def front(result: SearchResult) -> Figure:
    """Every complete trial by two objectives, and the Pareto set joined; a panel for each pair."""
    pairs = [(i, j) for i in range(len(result.goals)) for j in range(i + 1, len(result.goals))]
    figure = Figure(figsize=(COLUMN_IN, _ROW_IN * len(pairs)), layout="constrained")
    best = {trial.number for trial in result.pareto()}
    complete = result.in_state("complete")
    for (axes,), (down, across) in zip(panels(figure, len(pairs), 1), pairs, strict=True):
        rest = [trial for trial in complete if trial.number not in best]
        axes.scatter(*_points(rest, across, down), s=9, color=COLOURS[4], label="other trials")
        chosen = sorted((t for t in complete if t.number in best), key=lambda t: t.objectives[across])
        axes.plot(
            *_points(chosen, across, down),
            linestyle="-" if len(pairs) == 1 else "none",
            # A corner, not a slope: between two trials nothing was attained.
            drawstyle="steps-pre" if result.goals[across].maximize else "steps-post",
            marker="o",
            markersize=3.5,
            color=COLOURS[1],
            label="Pareto set",
        )
        for trial in chosen:
            axes.annotate(
                str(trial.number),
                (trial.objectives[across], trial.objectives[down]),
                textcoords="offset points",
                xytext=(3, 3),
                fontsize=SMALLEST,
            )
        axes.set_xlabel(_axis(result.goals[across]))
        axes.set_ylabel(_axis(result.goals[down]))
        axes.legend()
    return figure


def course(result: SearchResult) -> Figure:
    """Objectives in the order of the trials, and the best so far."""
    goals = result.goals
    figure = Figure(figsize=(COLUMN_IN, _ROW_IN * len(goals)), layout="constrained")
    complete = result.in_state("complete")
    for index, ((axes,), goal) in enumerate(zip(panels(figure, len(goals), 1), goals, strict=True)):
        numbers = [trial.number for trial in complete]
        values = [trial.objectives[index] for trial in complete]
        axes.scatter(numbers, values, s=9, color=COLOURS[4], label="trial")
        axes.step(numbers, _so_far(values, goal), where="post", color=COLOURS[1], label="best so far")
        failed = [trial.number for trial in result.in_state("failed")]
        for number in failed:
            axes.axvline(number, color=COLOURS[3], linewidth=0.6, linestyle=":")
        axes.set_xlabel("trial (dotted: failed)" if failed else "trial")
        axes.set_ylabel(_axis(goal))
        axes.legend()
    return figure


def importance_bars(result: SearchResult) -> Figure:
    """Shares of variance, a panel for each objective.

    Raises:
        ReportError: If there are none; says why.
    """
    if not result.importances:
        raise ReportError(f"search {result.name}: no importances, because {result.without_importances}.")
    names = short_names(result.space)
    count = len(result.importances)
    figure = Figure(figsize=(COLUMN_IN, 0.5 + 0.28 * len(names) * count), layout="constrained")
    for (axes,), (goal, shares) in zip(panels(figure, count, 1), result.importances.items(), strict=True):
        ordered = sorted(shares, key=lambda path: shares[path])
        labels = [shortened(names[path], _LABEL) for path in ordered]
        axes.barh(labels, [100 * shares[path] for path in ordered], color=COLOURS[0], height=0.6)
        axes.set_xlim(0, 100)
        axes.set_xlabel(f"share of the variance of {goal}, %")
    return figure


def _points(trials: Sequence[Trial], across: int, down: int) -> tuple[list[float], list[float]]:
    return [t.objectives[across] for t in trials], [t.objectives[down] for t in trials]


def _axis(goal: Goal) -> str:
    return f"{goal.value} ({'up' if goal.maximize else 'down'} is better)"


def _so_far(values: Sequence[float], goal: Goal) -> list[float]:
    better = max if goal.maximize else min
    return [better(values[: index + 1]) for index in range(len(values))]
