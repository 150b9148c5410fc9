"""The verbs about searches, and what ``run`` and ``plan`` do with one."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dymu.artifacts.store import Store
from dymu.artifacts.trials import SearchResult, find_result, read_result, search_keys
from dymu.commands.console import complain, existing, listing_of, make_console, print_json, reading
from dymu.commands.options import Json, OutDir, StoreDir, Style, examples
from dymu.errors import ReportError, SpecError

if TYPE_CHECKING:
    from dymu.run.search.budget import Budget
    from dymu.run.search.target import AnySearch
    from dymu.run.study import RunOptions

search = typer.Typer(help="Look at searches of hyperparameters.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A search (digits_search-branching), see `dymu search ls`.")
]
Trials = Annotated[
    int | None,
    typer.Option(
        "--trials",
        metavar="N",
        min=1,
        help="Budget of a search; a finished one is extended to N.  \\[default: as declared]",
    ),
]
OptunaStorage = Annotated[
    str | None,
    typer.Option(
        "--optuna-storage",
        metavar="URL",
        envvar="DYMU_OPTUNA_STORAGE",
        help="Database for the trials of a search (postgresql+psycopg2://...).  "
        "\\[default: a file in the store]",
    ),
]


@search.command("ls", epilog=examples("dymu search ls"))
def search_ls(store: StoreDir = None, as_json: Json = False) -> None:
    """List the searches of the store."""
    opened = reading(store)
    results = [read_result(opened, key) for key in search_keys(opened)]
    if as_json:
        print_json(
            [{"name": r.name, "key": r.key, "trials": len(r.trials), "budget": r.budget} for r in results]
        )
        return
    if not results:
        print(f"{opened.location} has no searches. `dymu run MODULE:NAME` begins one.")
        return
    listing = listing_of("search", "study", "objectives", "complete", "failed", "pruned", "budget")
    for result in results:
        counts = [str(len(result.in_state(state))) for state in ("complete", "failed", "pruned")]
        goals = ", ".join(goal.value for goal in result.goals)
        listing.add_row(result.key, result.study, goals, *counts, str(result.budget))
    make_console().print(listing)


@search.command(
    "show",
    epilog=examples(
        "dymu search show digits_search-trade-off",
        "dymu search show studies.digits_search:branching --all --style csv",
    ),
)
def search_show(
    name: Name,
    everything: Annotated[
        bool, typer.Option("--all", metavar="", help="All trials instead of the best or the Pareto set.")
    ] = False,
    provenance: Annotated[
        bool, typer.Option("--provenance", metavar="", help="Name the addresses behind each row.")
    ] = False,
    style: Annotated[Style, typer.Option(help="How to write it.")] = Style.TERMINAL,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Print the Pareto set of a search, or its best trials."""
    from dymu.reports import render
    from dymu.reports.search import search_table
    from dymu.reports.table import form

    result = find_result(reading(store), name)
    made = search_table(result, everything=everything, provenance=provenance)
    if as_json:
        print_json(form(made))
    elif style is Style.TERMINAL:
        make_console().print(render.terminal(made))
    else:
        print(render.render(made, style.value), end="")


@search.command("importances", epilog=examples("dymu search importances digits_search-branching"))
def search_importances(
    name: Name,
    style: Annotated[Style, typer.Option(help="How to write it.")] = Style.TERMINAL,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Print how much each entry of the space matters."""
    from dymu.reports import render
    from dymu.reports.search import importance_table
    from dymu.reports.table import form

    made = importance_table(find_result(reading(store), name))
    if as_json:
        print_json(form(made))
    elif style is Style.TERMINAL:
        make_console().print(render.terminal(made))
    else:
        print(render.render(made, style.value), end="")


@search.command("figure", epilog=examples("dymu search figure digits_search-trade-off --out figures"))
def search_figure(name: Name, out: OutDir = None, store: StoreDir = None) -> None:
    """Draw the course of a search, its Pareto front and its importances; prints the paths of the files."""
    from dymu.reports.search_figure import draw_search

    opened = reading(store)
    result = find_result(opened, name)
    for path in draw_search(result, out or _folder(opened, result)):
        print(path)


def plan_search(found: "AnySearch", store: str | None, *, as_json: bool) -> None:
    """Show the space and the budget of a search."""
    budgets = budgets_of(found, existing(store))
    if as_json:
        print_json([budget.form() for budget in budgets])
        return
    show_budgets(budgets, make_console())


def budgets_of(found: "AnySearch", store: Store | None, *, device: str = "cpu") -> "list[Budget]":
    """What a search, or that of each arm, will take.

    Raises:
        SpecError: If a search does not make sense.
    """
    from dymu.run.search.budget import budget_of
    from dymu.run.search.objectives import check_objectives
    from dymu.run.search.steps import key_of
    from dymu.run.search.target import parts_of

    known = frozenset(search_keys(store)) if store is not None else frozenset()
    budgets = []
    for _, part in parts_of(found, folder=Path.cwd()).values():
        check_objectives(part)
        key = key_of(part)
        asked = len(read_result(store, key).trials) if store is not None and key in known else 0
        budgets.append(budget_of(part, store, asked=asked, device=device))
    return budgets


def show_budgets(budgets: "Sequence[Budget]", console: Console) -> None:
    """Print the space and the budget of each search."""
    from dymu.run.search.views import budget_summary, space_table, total_summary

    for budget in budgets:
        console.print(space_table(budget))
        console.print(budget_summary(budget), soft_wrap=True, highlight=False)
        console.print("")
    if len(budgets) > 1:
        console.print(total_summary(budgets), soft_wrap=True, highlight=False)


def check_flags(
    found: "AnySearch",
    *,
    seeds: int | None,
    seed_list: str | None,
    study: str | None = None,
    override: Sequence[str] | None = None,
    arm: Sequence[str] | None = None,
) -> tuple[int, ...]:
    """Refuse flags that a search does not take; the seeds at which arms are compared at the end.

    Raises:
        SpecError: Names the flag.
    """
    from dymu.run.search.arms import check_seeds
    from dymu.run.target import parse_seeds
    from dymu.spec.search import Search

    for flag, value in (("--study", study), ("--override", override), ("--arm", arm)):
        if value:
            raise SpecError(f"{flag} changes what is run, but {found.name} is a search; declare another one.")
    if isinstance(found, Search):
        if seeds is not None or seed_list is not None:
            raise SpecError(f"the seeds of search {found.name} are part of its objective: {found.seeds}.")
        return found.seeds
    wanted = parse_seeds(seeds, seed_list)
    check_seeds(found, wanted)
    return wanted


def run_search(
    found: "AnySearch",
    store: Store,
    options: "RunOptions",
    console: Console,
    *,
    text: str,
    seeds: tuple[int, ...],
    storage: str | None,
    out: Path | None,
) -> int:
    """Run a search, and with one of arms the comparison at the end; the exit code."""
    from dymu.commands.run import report_of
    from dymu.run.plan import make_plan
    from dymu.run.search.arms import best_arms
    from dymu.run.search.drive import run_searches
    from dymu.run.search.target import parts_of
    from dymu.run.search.views import counts_summary
    from dymu.run.study import run_study
    from dymu.run.target import load_question
    from dymu.spec.search import ArmSearch

    parts = parts_of(found, folder=Path.cwd())
    outcome = run_searches(
        [part for _, part in parts.values()],
        store,
        options,
        console,
        target=text,
        storage_url=storage,
        report=lambda result: report_search(result, store, out, console),
    )
    console.print(counts_summary(outcome.counts), soft_wrap=True, highlight=False)
    for use, failure in outcome.failures.items():
        complain(
            f"{use.target} {use.arm}, seed {use.seed}: {failure.text}\n  The same command tries it again."
        )
    if outcome.tracking_error:
        complain(outcome.tracking_error)
    if outcome.interrupted:
        console.print("Interrupted. Trials and checkpoints are kept; the same command goes on from there.")
    served = "" if options.tracking_uri else "  (`dymu ui` serves the database of the store)"
    for url in outcome.urls:
        console.print(f"MLflow: {url}{served}", soft_wrap=True)
    if outcome.exit_code or not isinstance(found, ArmSearch):
        return outcome.exit_code
    question = load_question(found.question, folder=Path.cwd())
    results = dict(zip(parts, outcome.results, strict=True))
    target = best_arms(found, question, parts, results, text=text)
    made = make_plan([target], seeds, has=store.has)
    compared = run_study(
        made, store, options, console, report=lambda manifest: report_of(manifest, store, out, console)
    )
    for use, failure in compared.failures.items():
        complain(f"arm {made.name_of(use)}, seed {use.seed}: {failure.text}")
    return compared.exit_code


def report_search(result: SearchResult, store: Store, out: Path | None, console: Console) -> Sequence[Path]:
    """Print the table of a search and draw its figures, as far as trials allow; the files."""
    from dymu.artifacts.trials import comma_separated
    from dymu.reports import render
    from dymu.reports.search import importance_table, search_table
    from dymu.reports.search_figure import draw_search

    folder = out / result.name if out is not None else _folder(store, result)
    try:
        made = search_table(result, provenance=True)
        console.print(render.terminal(search_table(result)))
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for name, style in (("table.md", "markdown"), ("table.csv", "csv"), ("table.tex", "latex")):
            (folder / name).write_text(render.render(made, style), encoding="utf-8")
            files.append(folder / name)
        (folder / "trials.csv").write_text(comma_separated(result), encoding="utf-8")
        files.append(folder / "trials.csv")
        if result.importances:
            console.print(render.terminal(importance_table(result)))
        files += draw_search(result, folder)
    except ReportError as error:
        console.print(f"No report yet: {error}", soft_wrap=True, highlight=False)
        return []
    console.print(f"Tables and figures: {folder}", soft_wrap=True, highlight=False)
    return files


def _folder(store: Store, result: SearchResult) -> Path:
    return store.root / "reports" / result.name
