"""What a study cost: every step once, and what it would have cost if each arm and seed had run alone."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dymu.artifacts.record import PROVENANCE
from dymu.artifacts.store import Store
from dymu.reports.collect import Results

Use = tuple[str, int, str, str]
"""(Arm, seed, stage, address)."""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Seconds.

    Attributes:
        steps: How many steps.
        uses: How many times arms and seeds need one of them.
        wall: By the clock.
        cpu: Of processors.
        device: Of accelerators: by the clock, times the processes that trained together.
        saved: By the clock, what steps that are used more than once would have taken again.
        unknown: Steps that say nothing about their times.
    """

    steps: int = 0
    uses: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    device: float = 0.0
    saved: float = 0.0
    unknown: int = 0


def uses_of(results: Results) -> list[Use]:
    """All that the manifest lists, in its order."""
    return [
        (arm.name, int(seed), stage, address)
        for arm in results.arms
        for seed, steps in sorted(arm.steps.items(), key=lambda item: int(item[0]))
        for stage, address in steps.items()
    ]


def provenance_of(store: Store, addresses: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Address to how it came about, of those that are published and say so."""
    found: dict[str, Mapping[str, Any]] = {}
    for address in dict.fromkeys(addresses):
        if store.has(address):
            path = store.path(address) / PROVENANCE
            if path.exists():
                found[address] = json.loads(path.read_text(encoding="utf-8"))
    return found


def spent_by_stage(uses: Iterable[Use], provenance: Mapping[str, Mapping[str, Any]]) -> dict[str, Spent]:
    """Stage to what it cost, without steps that are not finished; ``total`` is the sum."""
    users: dict[str, int] = {}
    stage_of: dict[str, str] = {}
    for _, _, stage, address in uses:
        if address in provenance:
            users[address] = users.get(address, 0) + 1
            stage_of[address] = stage.partition("#")[0]
    found: dict[str, Spent] = {}
    for address, stage in stage_of.items():
        one = _of_step(provenance[address], users[address])
        found[stage] = _sum(found.get(stage, Spent()), one)
    total = Spent()
    for one in found.values():
        total = _sum(total, one)
    return {**found, "total": total}


def duration(seconds: float) -> str:
    """Seconds as people read them: 12 s, 3 min 20 s, 5 h 12 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _of_step(form: Mapping[str, Any], users: int) -> Spent:
    wall = float(form.get("wall_s") or 0.0)
    on_device = str(form.get("device", "")).startswith("cuda")
    return Spent(
        steps=1,
        uses=users,
        wall=wall,
        cpu=float(form.get("cpu_s") or 0.0),
        device=wall * max(1, int(form.get("workers") or 1)) if on_device else 0.0,
        saved=wall * (users - 1),
        unknown=int("wall_s" not in form),
    )


def _sum(one: Spent, other: Spent) -> Spent:
    return Spent(
        steps=one.steps + other.steps,
        uses=one.uses + other.uses,
        wall=one.wall + other.wall,
        cpu=one.cpu + other.cpu,
        device=one.device + other.device,
        saved=one.saved + other.saved,
        unknown=one.unknown + other.unknown,
    )
