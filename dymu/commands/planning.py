"""The verb ``plan``, and the plan that ``run`` and others start from."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dymu.artifacts.store import Store
from dymu.commands.console import existing, make_console, print_json
from dymu.commands.options import (
    Arms,
    Baseline,
    Json,
    Overrides,
    SeedList,
    Seeds,
    StoreDir,
    TargetText,
    examples,
)
from dymu.commands.search import Trials, check_flags, plan_search

if TYPE_CHECKING:
    from dymu.run.plan import Plan

app = typer.Typer()


@app.command(
    epilog=examples(
        "dymu plan ablations.branching_regularizer --seeds 3",
        "dymu plan studies.digits:ours -o method.edge.active_threshold=0.3",
    )
)
def plan(
    target: TargetText,
    study: Baseline = None,
    override: Overrides = None,
    arm: Arms = None,
    seeds: Seeds = None,
    seed_list: SeedList = None,
    trials: Trials = None,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Show the steps of TARGET: what is cached, shared and new, and what it will cost."""
    from dymu.run.estimate import estimate
    from dymu.run.search.target import find_search
    from dymu.run.views import plan_form, plan_summary, plan_table

    found = find_search(target, folder=Path.cwd(), trials=trials)
    if found is not None:
        check_flags(found, seeds=seeds, seed_list=seed_list, study=study, override=override, arm=arm)
        plan_search(found, store, as_json=as_json)
        return
    opened = existing(store)
    made = planned(opened, target, study, override, arm, seeds, seed_list)
    cost = estimate(made.missing, opened)
    if as_json:
        print_json(plan_form(made, cost))
        return
    console = make_console()
    console.print(plan_table(made, cost))
    console.print(plan_summary(made, cost), soft_wrap=True, highlight=False)


def planned(
    store: Store | None,
    target: str,
    study: str | None,
    override: list[str] | None,
    arm: list[str] | None,
    seeds: int | None,
    seed_list: str | None,
    *,
    apart: bool = False,
) -> "Plan":
    """The plan of what the flags of a verb ask for.

    Args:
        store: Where artifacts are; ``None`` if there are none yet.
        target: Text of the target.
        study: Baseline to ask the question about.
        override: Changes of the baseline.
        arm: Names of the only arms.
        seeds: How many seeds.
        seed_list: Which seeds.
        apart: Whether steps that can be done in pieces are.

    Raises:
        SpecError: If anything in the request does not make sense.
    """
    from dymu.run.plan import make_plan
    from dymu.run.target import Request, parse_seeds, resolve

    request = Request(text=target, study=study, overrides=tuple(override or ()), arms=tuple(arm or ()))
    numbers = parse_seeds(seeds, seed_list)
    targets = resolve(request, folder=Path.cwd())
    has = store.has if store is not None else lambda _: False
    return make_plan(targets, numbers, has=has, apart=apart)


def names_of(made: "Plan") -> str:
    """Names of the targets of a plan."""
    return ", ".join(target.name for target in made.targets)
