"""What a report lists besides results: seeds, differences, cost, environment and addresses, as tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from dymu.reports.collect import Results
from dymu.reports.html.methods import arm_differences, in_words
from dymu.reports.html.spent import Spent, Use, duration
from dymu.reports.table import MISSING, Cell, Column, Table

_FACTS = {
    "git_revision": "code",
    "git_dirty": "changes in no commit",
    "git_diff_sha256": "digest of those changes",
    "requirements_lock_sha256": "digest of the lock file",
    "device": "device",
    "python": "Python",
    "platform": "platform",
    "machine": "machine",
    "threads": "threads",
    "workers": "workers",
}


def seeds_table(results: Results) -> Table:
    """A row per arm and seed: whether it was measured, and on which data."""
    rows = []
    for arm in results.arms:
        for seed in results.manifest.seeds:
            record = results.records.get((arm.name, seed))
            address = record.address if record else arm.steps.get(str(seed), {}).get("evaluate", "")
            digest = record.data_digest[:16] if record else ""
            state = "measured" if record else MISSING
            rows.append(_row(arm.label, str(seed), state, address, digest))
    return _table("Seeds", ("Arm", "Seed", "State", "Record", "Digest of the data"), rows)


def differences_table(results: Results) -> Table:
    """A row per field in which an arm's configuration is not the baseline's."""
    rows = [
        _row(results.arm(name).label, stage, path, before, after)
        for name, found in arm_differences(results).items()
        for stage, path, before, after in found
    ]
    columns = ("Arm", "Stage", "Field", results.arms[0].label, "This arm")
    return _table("What arms do otherwise", columns, rows)


def cost_table(spent: Mapping[str, Spent]) -> Table:
    """A row per stage."""
    rows = [
        _row(
            stage,
            str(one.steps),
            str(one.uses),
            duration(one.wall),
            duration(one.cpu),
            duration(one.device),
            duration(one.saved),
        )
        for stage, one in spent.items()
    ]
    columns = ("Stage", "Steps", "Needed", "Wall", "CPU", "Device", "Saved by the cache")
    notes = ["Saved: wall time that steps which several arms share would have taken again."]
    unknown = spent["total"].unknown
    if unknown:
        notes.append(f"{unknown} step(s) do not say how long they took.")
    return _table("Cost by stage", columns, rows, notes)


def environment_table(provenance: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row per fact and value that steps were made with, and how many of them."""
    counts: dict[tuple[str, str], int] = {}
    for form in provenance.values():
        facts = {title: form.get(name) for name, title in _FACTS.items()}
        facts |= dict(form.get("versions") or {})
        for name, value in facts.items():
            if value is not None:
                key = (name, in_words(value))
                counts[key] = counts.get(key, 0) + 1
    order = [*_FACTS.values()]
    ranked = sorted(counts, key=lambda key: (order.index(key[0]) if key[0] in order else len(order), key))
    rows = [_row(name, value, str(counts[name, value])) for name, value in ranked]
    return _table("Environment", ("", "Value", "Steps"), rows)


def provenance_table(uses: Sequence[Use], provenance: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row per step: its address, who needs it, when it is there and which code made it."""
    users: dict[str, list[str]] = {}
    stages: dict[str, str] = {}
    for arm, seed, stage, address in uses:
        users.setdefault(address, []).append(f"{arm} s{seed}")
        stages[address] = stage
    rows = []
    for address, needed in users.items():
        form = provenance.get(address)
        code = str(form.get("git_revision") or "unknown")[:12] if form else ""
        if form and form.get("git_dirty"):
            code += " with changes"
        wall = duration(float(form.get("wall_s") or 0.0)) if form else MISSING
        rows.append(_row(stages[address], address, ", ".join(needed), code, wall))
    return _table("Steps", ("Stage", "Address", "Needed by", "Code", "Wall"), rows)


def _row(*texts: str) -> tuple[Cell, ...]:
    return tuple(Cell(text=text) for text in texts)


def _table(
    title: str, columns: Sequence[str], rows: Sequence[tuple[Cell, ...]], notes: Sequence[str] = ()
) -> Table:
    return Table(
        title=title,
        columns=tuple(Column(title=name, plain=True) for name in columns),
        rows=tuple(rows),
        footnotes=tuple(notes),
    )
