"""How long steps took to train, from the provenance that was published with them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dymu.artifacts.record import PROVENANCE, Record
from dymu.artifacts.store import Store

Clock = Literal["cpu_s", "wall_s"]


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Training time of some steps, all attempts together.

    Attributes:
        wall_s: On the clock, one step after another.
        cpu_s: Of all cores.
        on_cpu: Whether no step used an accelerator, so that ``cpu_s`` tells the work.
    """

    wall_s: float
    cpu_s: float
    on_cpu: bool

    def by(self, clock: Clock) -> float:
        """On one of the clocks."""
        return self.cpu_s if clock == "cpu_s" else self.wall_s


class TrainingTimes:
    """Training times of steps from the provenance in a store, each read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[str, Seconds | None] = {}

    @property
    def unknown(self) -> tuple[str, ...]:
        """Addresses of the steps whose time is not known."""
        return tuple(address for address, time in self._read.items() if time is None)

    def of(self, record: Record, addresses: Sequence[str]) -> Seconds | None:
        """Time of some steps and of all that only they need; ``None`` if that of one is not known."""
        wanted: dict[str, None] = {}

        def visit(address: str) -> None:
            if address not in wanted:
                wanted[address] = None
                for below in record.config[address].get("inputs", {}).values():
                    visit(below)

        for address in addresses:
            visit(address)
        times = [self._seconds(address) for address in wanted]
        known = [time for time in times if time is not None]
        return _sum(known) if len(known) == len(times) else None

    def _seconds(self, address: str) -> Seconds | None:
        if address not in self._read:
            self._read[address] = _parse(self._form(address))
        return self._read[address]

    def _form(self, address: str) -> Mapping[str, Any]:
        if not self._store.has(address):
            return {}
        try:
            text = (self._store.path(address) / PROVENANCE).read_text(encoding="utf-8")
            form: Mapping[str, Any] = json.loads(text)
        except (OSError, ValueError):  # absent or damaged: listed as unknown
            return {}
        return form


def _parse(form: Mapping[str, Any]) -> Seconds | None:
    """Time of a step and of the parts that it was assembled from."""
    forms = [form, *form.get("parts", {}).values()]
    if any("wall_s" not in part or "cpu_s" not in part for part in forms):
        return None
    return _sum(
        [
            Seconds(
                wall_s=float(part["wall_s"]),
                cpu_s=float(part["cpu_s"]),
                on_cpu=part.get("device", "cpu") == "cpu",
            )
            for part in forms
        ]
    )


def _sum(times: Sequence[Seconds]) -> Seconds:
    return Seconds(
        wall_s=sum(time.wall_s for time in times),
        cpu_s=sum(time.cpu_s for time in times),
        on_cpu=all(time.on_cpu for time in times),
    )
