"""Plans and states as terminal tables and as JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from dymu.run.estimate import Estimate
from dymu.run.plan import Plan
from dymu.run.progress import clock
from dymu.run.status import StageStatus

_PLAN_STYLES = {"cached": "green", "shared": "cyan", "new": "yellow"}
_STATE_STYLES = {
    "done": "green",
    "running": "cyan",
    "failed": "red",
    "interrupted": "yellow",
    "waiting": "dim",
}


def plan_form(plan: Plan, cost: Estimate) -> dict[str, Any]:
    """A plan as a JSON value."""
    chain_of = {step.address: chain.name for chain in plan.chains for step in chain.steps}
    return {
        "targets": [
            {"name": target.name, "title": target.title, "arms": [arm.name for arm in target.chosen]}
            for target in plan.targets
        ],
        "seeds": list(plan.seeds),
        "steps": [
            {
                "address": step.address,
                "stage": step.stage,
                "state": plan.state(step),
                "inputs": {role: below.address for role, below in step.inputs.items()},
                "users": [list(use) for use in sorted(plan.users[step.address])],
                "chain": chain_of.get(step.address),
                "cpu_s": cost.by_address.get(step.address),
            }
            for step in plan.steps
        ],
        "to_run": len(plan.missing),
        "cpu_s": cost.cpu_s,
        "no_estimate_for": list(cost.unknown),
    }


def plan_table(plan: Plan, cost: Estimate) -> Table:
    """Every step once, with who needs it and what it will cost."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("step", "state", "needed by", "CPU time"):
        table.add_column(title, overflow="fold")
    for step in plan.steps:
        state = plan.state(step)
        seconds = cost.by_address.get(step.address)
        estimate = "no estimate yet" if seconds is None else clock(seconds)
        table.add_row(
            step.address,
            Text(state, style=_PLAN_STYLES[state]),
            _users(plan, step.address),
            "" if state == "cached" else estimate,
        )
    return table


def plan_summary(plan: Plan, cost: Estimate) -> str:
    """One sentence."""
    count = {state: sum(plan.state(step) == state for step in plan.steps) for state in _PLAN_STYLES}
    if not plan.missing:
        return f"{len(plan.steps)} steps, all cached: nothing to run."
    known = f"about {clock(cost.cpu_s)} of CPU time" if cost.cpu_s else "no estimate yet"
    chains = "1 chain" if len(plan.chains) == 1 else f"{len(plan.chains)} chains"
    without = f", not counting {', '.join(cost.unknown)}" if cost.unknown and cost.cpu_s else ""
    return (
        f"{len(plan.steps)} steps: {count['cached']} cached, {count['shared']} shared by several arms, "
        f"{count['new']} for one arm; {len(plan.missing)} to run in {chains}, "
        f"{known}{without}."
    )


def status_tables(states: Sequence[StageStatus]) -> Iterator[Table]:
    """A table per study or question: one row per arm and seed, one column per stage."""
    for manifest in dict.fromkeys(state.manifest for state in states):
        yield _status_table(manifest, [state for state in states if state.manifest == manifest])


def _status_table(name: str, states: Sequence[StageStatus]) -> Table:
    stages = list(dict.fromkeys(state.stage for state in states))
    table = Table(title=Text(name), title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("arm", "seed", *stages):
        table.add_column(title, overflow="fold")
    rows: dict[tuple[str, int], dict[str, Text]] = {}
    for state in states:
        row = rows.setdefault((state.arm, state.seed), {})
        reached = f" {state.step}/{state.total}" if state.total else ""
        row[state.stage] = Text(state.state + reached, style=_STATE_STYLES[state.state])
    for (arm, seed), cells in rows.items():
        table.add_row(arm, str(seed), *(cells.get(stage, Text("")) for stage in stages))
    return table


def _users(plan: Plan, address: str) -> str:
    uses = plan.users[address]
    named = list(dict.fromkeys(plan.name_of(use) for use in plan.finals if use in uses))
    who = ", ".join(named) if len(named) <= 2 else f"{len(named)} arms"
    seeds = ", ".join(str(seed) for seed in sorted({use.seed for use in uses}))
    return f"{who}; seed {seeds}"
