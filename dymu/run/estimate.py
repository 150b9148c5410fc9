"""How long steps will take, from those that ran before."""

import itertools
import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from dymu.artifacts.fingerprint import TYPE_KEY
from dymu.artifacts.record import PROVENANCE
from dymu.artifacts.step import Step
from dymu.artifacts.store import STEP, Store
from dymu.errors import StoreError

_LOOKED_AT = 40  # artifacts a stage; more would not change a median by much, but cost time in a large store


class Sample(NamedTuple):
    """What one earlier artifact cost.

    Attributes:
        config: Of its step.
        seconds: Of CPU time, or on another device.
    """

    config: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """CPU-seconds of the steps that must run; on another device the seconds that it is in use.

    Attributes:
        cpu_s: Sum over the steps for which there is an estimate.
        by_address: Seconds of each of those steps.
        unknown: Stages without an estimate.
    """

    cpu_s: float
    by_address: Mapping[str, float]
    unknown: tuple[str, ...]

    @property
    def hours(self) -> float:
        """The sum in hours."""
        return self.cpu_s / 3600


def estimate(steps: Iterable[Step], store: Store | None, *, device: str = "cpu") -> Estimate:
    """Median seconds of earlier artifacts with the same config, or else with the same class of config.

    A step whose parts run before it costs nothing itself; where it ran from parts before, theirs are counted.

    Args:
        steps: What is to run.
        store: Where earlier artifacts are, if there are any.
        device: Torch device. CPU-seconds are counted on the CPU; elsewhere the time from begin to end, of
            artifacts that were made on such a device.
    """
    listed = list(steps)
    stages = sorted({step.stage for step in listed})
    samples = {stage: _samples(stage, store, device) if store is not None else [] for stage in stages}
    addresses = {step.address for step in listed}
    found = {
        step.address: 0.0
        if any(part.address in addresses for part in step.parts)
        else _cost(step, samples[step.stage])
        for step in listed
    }
    known = {address: cost for address, cost in found.items() if cost is not None}
    return Estimate(
        cpu_s=sum(known.values()),
        by_address=known,
        unknown=tuple(sorted({step.stage for step in listed if step.address not in known})),
    )


def _samples(stage: str, store: Store, device: str) -> list[Sample]:
    key = "cpu_s" if device == "cpu" else "wall_s"
    found = []
    for address in itertools.islice(store.addresses(stage), _LOOKED_AT):
        try:
            folder = store.path(address)
            form = json.loads((folder / STEP).read_text(encoding="utf-8"))
            told = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
            if device == "cpu" or str(told["device"]).partition(":")[0] == device:
                parts = sum(float(part[key]) for part in told.get("parts", {}).values())
                found.append(Sample(config=form["config"], seconds=float(told[key]) + parts))
        except (StoreError, OSError, json.JSONDecodeError, KeyError):
            continue  # removed or damaged since it was listed: no basis for an estimate
    return found


def _cost(step: Step, samples: list[Sample]) -> float | None:
    config = step.form["config"]
    alike = [sample for sample in samples if sample.config.get(TYPE_KEY) == config.get(TYPE_KEY)]
    same = [sample for sample in alike if sample.config == config]
    costs = [sample.seconds for sample in same or alike]
    return statistics.median(costs) if costs else None
