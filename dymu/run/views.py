"""Plans and states as terminal tables and as JSON."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
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
_PRESSING = ("failed", "interrupted", "running", "waiting", "done")
_BOUNDLESS = 100_000  # characters


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


def status_tables(states: Sequence[StageStatus], *, width: int) -> Iterator[Table]:
    """A table per study or question: one row per arm and seed.

    Args:
        states: Of all stages.
        width: Characters a line. Where a column per stage does not fit, one column counts the stages that are
            done and names the others.
    """
    for manifest in dict.fromkeys(state.manifest for state in states):
        own = [state for state in states if state.manifest == manifest]
        table = _table_of_stages(manifest, own)
        needed = Console(width=_BOUNDLESS).measure(table).maximum
        yield table if needed <= width else _table_of_counts(manifest, own)


def _table_of_stages(name: str, states: Sequence[StageStatus]) -> Table:
    stages = list(dict.fromkeys(state.stage for state in states))
    table = _status_table(name, ("arm", "seed", *stages))
    for (arm, seed), row in _rows(states).items():
        cells = {state.stage: Text(_reached(state), style=_STATE_STYLES[state.state]) for state in row}
        table.add_row(arm, str(seed), *(cells.get(stage, Text("")) for stage in stages))
    return table


def _table_of_counts(name: str, states: Sequence[StageStatus]) -> Table:
    table = _status_table(name, ("arm", "seed", "stages"))
    for (arm, seed), row in _rows(states).items():
        count = Counter(state.state for state in row)
        active = [
            f"{state.stage} {_reached(state)}" for state in row if state.state not in ("done", "waiting")
        ]
        waiting = [f"{count['waiting']} waiting"] if count["waiting"] else []
        worst = next(state for state in _PRESSING if count[state])
        text = ", ".join((f"{count['done']} of {len(row)} done", *active, *waiting))
        table.add_row(arm, str(seed), Text(text, style=_STATE_STYLES[worst]))
    return table


def _status_table(name: str, titles: Sequence[str]) -> Table:
    table = Table(title=Text(name), title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def _rows(states: Sequence[StageStatus]) -> dict[tuple[str, int], list[StageStatus]]:
    rows: dict[tuple[str, int], list[StageStatus]] = {}
    for state in states:
        rows.setdefault((state.arm, state.seed), []).append(state)
    return rows


def _reached(state: StageStatus) -> str:
    return f"{state.state} {state.step}/{state.total}" if state.total else state.state


def _users(plan: Plan, address: str) -> str:
    uses = plan.users[address]
    named = list(dict.fromkeys(plan.name_of(use) for use in plan.finals if use in uses))
    who = ", ".join(named) if len(named) <= 2 else f"{len(named)} arms"
    seeds = ", ".join(str(seed) for seed in sorted({use.seed for use in uses}))
    return f"{who}; seed {seeds}"
