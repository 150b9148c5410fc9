"""The mean over seeds of each arm, for a table in the tracking page that compares arms."""

import statistics
from dataclasses import dataclass

from dymu.artifacts.fingerprint import digest
from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.record import RECORD, loads_record
from dymu.artifacts.store import Store
from dymu.tracking.news import EVALUATE


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Means of one arm.

    Attributes:
        key: Identity: the arm and the evaluations that the means are over.
        arm: The arm.
        seeds: Seeds that have a result.
        values: Record value name to mean; with two seeds or more also ``<name>/sd``.
    """

    key: str
    arm: ManifestArm
    seeds: tuple[int, ...]
    values: dict[str, float]


def summary_keys(store: Store, manifest: Manifest) -> dict[str, str]:
    """Arm to the key of its summary, for arms with results."""
    found = {}
    for arm in manifest.arms:
        addresses = _finished(store, arm)
        if addresses:
            over = digest(tuple(addresses[seed] for seed in sorted(addresses)))
            found[arm.name] = f"{manifest.name}/{arm.name}/mean/{over}"
    return found


def summarise(store: Store, arm: ManifestArm, key: str) -> Summary:
    """The means of an arm over the seeds that have a result."""
    addresses = _finished(store, arm)
    by_name: dict[str, list[float]] = {}
    for seed in sorted(addresses):
        for name, value in loads_record(
            store.read(addresses[seed], RECORD), where=addresses[seed]
        ).values.items():
            by_name.setdefault(name, []).append(value.value)
    values = {name: statistics.fmean(numbers) for name, numbers in by_name.items()}
    for name, numbers in by_name.items():
        if len(numbers) > 1:
            values[f"{name}/sd"] = statistics.stdev(numbers)
    return Summary(key=key, arm=arm, seeds=tuple(sorted(addresses)), values=values)


def _finished(store: Store, arm: ManifestArm) -> dict[int, str]:
    return {int(seed): steps[EVALUATE] for seed, steps in arm.steps.items() if store.has(steps[EVALUATE])}
