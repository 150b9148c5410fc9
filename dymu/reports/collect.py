"""Finds the records of a question in a store, and refuses to put side by side what cannot be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.record import Record, Value, read_provenance, read_record
from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.reports.comparable import TASKS, Mixture, mixtures, protocol_of
from dymu.reports.lookup import Kind, Wanted, look_up

Cell = tuple[str, int]
"""(Arm, seed)."""

EVALUATE = "evaluate"


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A result that the manifest expects and the store lacks.

    Attributes:
        arm: Name of the arm.
        seed: Study seed.
        address: Of the evaluation; empty if the arm was not run at this seed.
    """

    arm: str
    seed: int
    address: str


@dataclass(frozen=True, kw_only=True)
class Results:
    """All records of a manifest.

    Attributes:
        manifest: What was expected.
        records: What was found.
        provenance: How each record came about.
        missing: What was expected and not found.
        excluded: Ad hoc arms, which no table shows.
        mixed: What the records do not have in common although no arm declares it.
        note: What stands in for what; empty if this is what was asked for.
    """

    manifest: Manifest
    records: Mapping[Cell, Record]
    provenance: Mapping[Cell, Mapping[str, Any]]
    missing: tuple[Missing, ...]
    excluded: tuple[ManifestArm, ...] = ()
    mixed: tuple[Mixture, ...] = ()
    note: str = ""

    @cached_property
    def arms(self) -> tuple[ManifestArm, ...]:
        """Arms that may be shown, baseline first."""
        return tuple(arm for arm in self.manifest.arms if not arm.ad_hoc)

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Task names, in order."""
        return self.manifest.tasks

    @cached_property
    def infos(self) -> Mapping[str, Value]:
        """Record value name to one example, for its direction, range and unit."""
        return {name: value for record in self.records.values() for name, value in record.values.items()}

    def arm(self, name: str) -> ManifestArm:
        """An arm by name."""
        return next(arm for arm in self.arms if arm.name == name)

    @cached_property
    def _by_arm(self) -> Mapping[str, Mapping[int, Record]]:
        found: dict[str, dict[int, Record]] = {}
        for arm, seed in sorted(self.records):
            found.setdefault(arm, {})[seed] = self.records[arm, seed]
        return found

    @cached_property
    def _resource_preferences(self) -> Mapping[str, tuple[float, ...]]:
        return {
            arm: tuple(sorted({c for record in records.values() for c in _resource_preferences(record)}))
            for arm, records in self._by_arm.items()
        }

    def of(self, arm: str) -> dict[int, Record]:
        """Seed to record of an arm, by seed."""
        return dict(self._by_arm.get(arm, {}))

    def values(self, arm: str, name: str) -> dict[int, float]:
        """Seed to value; a seed without a record or without this value is left out."""
        records = self.of(arm)
        return {seed: r.values[name].value for seed, r in records.items() if name in r.values}

    def resource_preferences(self, arm: str) -> tuple[float, ...]:
        """Values of c at which an arm was measured; none for a method that has no c."""
        return self._resource_preferences.get(arm, ())


def find_results(
    store: Store,
    *,
    number: int | None,
    kind: Kind,
    study: str | None,
    question: str | None,
    allow_mixed: bool = False,
) -> Results:
    """The records behind a table or figure.

    Args:
        store: Where records are.
        number: Of the paper's table or figure; ``None`` to go by study and question alone.
        kind: What the number counts.
        study: ``studies.digits:ours``, ``digits-ours``, or ``studies.digits`` for all studies of the module.
        question: ``ablations.branching_regularizer``, or its last part.
        allow_mixed: Whether to list what cannot be compared instead of refusing it.

    Raises:
        ReportError: If nothing or more than one thing fits (lists what there is and how to make what is
            not), or if records were made in ways that cannot be compared.
    """
    wanted = Wanted(kind=kind, number=number, study=study, question=question)
    answer = look_up(store.manifests(), wanted, lambda manifest: _has_records(store, manifest))
    found = answer.manifests
    manifest = found[0] if len(found) == 1 else _combined(found)
    results = _results(store, manifest, found)
    return _checked(replace(results, note=answer.note), allow_mixed=allow_mixed)


def results_of(store: Store, manifest: Manifest, *, allow_mixed: bool = False) -> Results:
    """The records of a manifest.

    Args:
        store: Where records are.
        manifest: What is expected.
        allow_mixed: Whether to list what cannot be compared instead of refusing it.

    Raises:
        ReportError: If all arms are ad hoc, or if records were made in ways that cannot be compared.
    """
    return _checked(_results(store, manifest, [manifest]), allow_mixed=allow_mixed)


def _has_records(store: Store, manifest: Manifest) -> bool:
    addresses = (steps.get(EVALUATE, "") for arm in manifest.arms for steps in arm.steps.values())
    return any(address and store.has(address) for address in addresses)


def _results(store: Store, manifest: Manifest, origins: Sequence[Manifest]) -> Results:
    excluded = tuple(arm for arm in manifest.arms if arm.ad_hoc)
    if len(excluded) == len(manifest.arms):
        raise ReportError(
            f"{manifest.name} was run with overrides from the command line ({_overrides(excluded[0])}); such "
            "results are never put in a table. Write the change into a study or an ablation and run that."
        )
    records, provenance, missing = {}, {}, []
    seeds = sorted({seed for origin in origins for seed in origin.seeds})
    for arm in manifest.arms:
        for seed in seeds if not arm.ad_hoc else ():
            address = arm.steps.get(str(seed), {}).get(EVALUATE, "")
            if not address or not store.has(address):
                missing.append(Missing(arm=arm.name, seed=seed, address=address))
                continue
            folder = store.path(address)
            records[arm.name, seed] = _of_seed(read_record(folder), seed, f"{manifest.name}, arm {arm.name}")
            provenance[arm.name, seed] = read_provenance(folder)
    return Results(
        manifest=manifest,
        records=records,
        provenance=provenance,
        missing=tuple(missing),
        excluded=excluded,
    )


def _of_seed(record: Record, seed: int, where: str) -> Record:
    """The record; one of another seed would be counted twice."""
    if record.seed != seed:
        raise ReportError(
            f"{where}: {record.address} stands for seed {seed} and is a record of seed {record.seed}, which "
            "would count twice. Run the study again to write its manifest anew."
        )
    return record


def _checked(results: Results, *, allow_mixed: bool) -> Results:
    found = mixtures(results.records, {arm.name: arm for arm in results.arms})
    for mixture in found:
        if not allow_mixed or mixture.what == TASKS:
            (one, (here, *_)), (two, (there, *_)) = mixture.sides[:2]
            left, right = (
                f"arm {arm} at seed {seed} ({results.records[arm, seed].address})"
                for arm, seed in (here, there)
            )
            advice = " or mark what differs with --allow-mixed" if mixture.what != TASKS else ""
            raise ReportError(
                f"{results.manifest.name}: {left} and {right} were made differently and cannot stand in one "
                f"table: {mixture.what} is {one!r} and {two!r}. Run both again with one version of the "
                f"study{advice}."
            )
    return replace(results, mixed=tuple(found))


def _combined(manifests: Sequence[Manifest]) -> Manifest:
    """One manifest with an arm for each study."""
    arms = tuple(replace(m.arms[0], name=m.study, label=m.arms[0].label or m.study) for m in manifests)
    name = manifests[0].study.replace("_", "-").partition("-")[0]
    target = f"studies.{name}"
    return replace(
        manifests[0], name=name, study=name, target=target, title=f"Studies of {name}", source="", arms=arms
    )


def _resource_preferences(record: Record) -> set[float]:
    """Values of c in a record.

    Names of values print them with six digits and the protocol has them exactly; the points, which are
    nearly all of a record and slow to read, are asked only where these two do not fit.
    """
    printed = {name.partition("/c=")[2] for name in record.values if "/c=" in name}
    if not printed:
        return set()
    declared = protocol_of(record).get("resource_preferences", ())
    exact = {c for c in declared if f"{c:g}" in printed}
    if len(exact) == len(printed):
        return exact
    return {point.resource_preference for point in record.points if point.resource_preference is not None}


def _overrides(arm: ManifestArm) -> str:
    return ", ".join(f"{path}={value}" for path, value in arm.ad_hoc.items())
